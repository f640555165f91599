/* SPDX-License-Identifier: Apache-2.0
 * Reads the environment; keeps the secrets that it took out of it. */
#include "control/config/env.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    struct entry *next;
    char *name;
    struct secret *value;
};

struct env {
    struct entry *entries;
};

struct env *
env_new(void)
{
    return calloc(1, sizeof(struct env));
}

static void
entry_free(struct entry *entry)
{
    free(entry->name);
    secret_free(entry->value);
    free(entry);
}

void
env_free(struct env *env)
{
    if (env == NULL)
        return;
    while (env->entries != NULL) {
        struct entry *next = env->entries->next;
        entry_free(env->entries);
        env->entries = next;
    }
    free(env);
}

void
env_free_ptr(struct env **env)
{
    env_free(*env);
}

static struct entry *
find(struct env *env, const char *name)
{
    for (struct entry *e = env->entries; e != NULL; e = e->next) {
        if (strcmp(e->name, name) == 0)
            return e;
    }
    return NULL;
}

static struct entry *
find_or_add(struct env *env, const char *name)
{
    struct entry *entry = find(env, name);
    if (entry != NULL)
        return entry;
    entry = calloc(1, sizeof(*entry));
    if (entry == NULL)
        return NULL;
    entry->name = strdup(name);
    if (entry->name == NULL) {
        free(entry);
        return NULL;
    }
    entry->next = env->entries;
    env->entries = entry;
    return entry;
}

int
env_secret(
    struct env *env, const char *name, struct secret **out, struct err *err)
{
    *out = NULL;
    struct secret *fresh = NULL;
    if (secret_from_env(name, &fresh, err) != 0)
        return -1;
    struct entry *entry = find_or_add(env, name);
    if (entry == NULL) {
        secret_free(fresh);
        return err_no_memory(err);
    }
    if (fresh != NULL) {
        secret_free(entry->value);
        entry->value = fresh;
    }
    if (entry->value == NULL || secret_len(entry->value) == 0)
        return 0;
    *out = secret_dup(entry->value);
    return *out != NULL ? 0 : err_no_memory(err);
}

const char *
env_text(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

const char *
env_reference(const char *text)
{
    static const char first[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    static const char digits[] = "0123456789";
    if (text[0] != '$' || text[1] == '\0' || strchr(first, text[1]) == NULL)
        return NULL;
    const char *p = text + 2;
    while (*p != '\0' && (strchr(first, *p) != NULL || strchr(digits, *p)))
        p++;
    return *p == '\0' ? text + 1 : NULL;
}
