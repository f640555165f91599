/* SPDX-License-Identifier: Apache-2.0
 * risoluto: the operator's command. */
#include "control/cli/verb.h"

int
main(int argc, char **argv)
{
    return verb_main(argc, argv);
}
