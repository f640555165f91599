/* SPDX-License-Identifier: Apache-2.0
 * Loads the configuration from its layers and publishes immutable versions of
 * it; the live one follows its files. */
#include "control/config/config.h"

#include "common/cleanup.h"
#include "common/file.h"
#include "control/config/env.h"
#include "control/config/keys.h"
#include "control/config/layers.h"
#include "control/config/prompts.h"
#include "control/config/validate.h"
#include "control/config/value.h"
#include "control/config/workflow.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

/* A version as we hold it: what callers see comes first. */
struct version {
    struct config config;
    atomic_int references;
};

/* What tells one state of a file from another. */
struct stamp {
    bool exists;
    dev_t dev;
    ino_t inode;
    off_t size;
    struct timespec mtime;
};

/* Absolute answers to "which files": made once per load. */
struct paths {
    char *workflow;
    char *overlay;
    bool workflow_required;
};

static void
paths_release(struct paths *paths)
{
    free(paths->workflow);
    free(paths->overlay);
    *paths = (struct paths){0};
}

static int
paths_make(
    struct paths *out, const struct config_sources *sources, struct err *err)
{
    *out = (struct paths){0};
    if (sources->data_dir == NULL || sources->data_dir[0] == '\0') {
        (void)err_set(err, ERR_CONFIG, "no data directory; use --data-dir");
        return -1;
    }
    out->workflow_required = sources->workflow_path != NULL;
    out->workflow = sources->workflow_path != NULL
                        ? strdup(sources->workflow_path)
                        : file_join(sources->data_dir, "WORKFLOW.md");
    out->overlay = file_join(sources->data_dir, "config/overlay.yaml");
    if (out->workflow != NULL && out->overlay != NULL)
        return 0;
    paths_release(out);
    (void)err_no_memory(err);
    return -1;
}

static int
stamp_take(const char *path, struct stamp *out, struct err *err)
{
    struct stat st;
    *out = (struct stamp){0};
    if (stat(path, &st) != 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return 0;
        return err_sys(err, "cannot look at %s", path);
    }
    *out = (struct stamp){
        .exists = true,
        .dev = st.st_dev,
        .inode = st.st_ino,
        .size = st.st_size,
        .mtime = st.st_mtim,
    };
    return 0;
}

static bool
stamp_equal(const struct stamp *a, const struct stamp *b)
{
    return a->exists == b->exists && a->dev == b->dev && a->inode == b->inode &&
           a->size == b->size && a->mtime.tv_sec == b->mtime.tv_sec &&
           a->mtime.tv_nsec == b->mtime.tv_nsec;
}

/* ---- one version ---- */

void
config_release(struct config *config)
{
    if (config == NULL)
        return;
    struct version *version = (struct version *)config;
    if (atomic_fetch_sub(&version->references, 1) != 1)
        return;
    for (size_t i = 0; i < KEYS_COUNT; i++)
        value_clear(config, keys_at(i));
    free(config->prompt_template);
    free(config->data_dir);
    free(version);
}

static void
release_ptr(struct config **config)
{
    config_release(*config);
}

static int
apply_workflow(
    struct layers *layers, const struct paths *paths, struct err *err)
{
    AUTO(workflow_release) struct workflow workflow = {0};
    struct stamp stamp;
    if (stamp_take(paths->workflow, &stamp, err) != 0)
        return -1;
    if (stamp.exists || paths->workflow_required) {
        if (workflow_read(paths->workflow, &workflow, err) != 0 ||
            layers_file(layers, paths->workflow, workflow.config, err) != 0)
            return -1;
    }
    bool own = workflow.prompt != NULL && workflow.prompt[0] != '\0';
    layers->config->prompt_template =
        own ? STEAL(workflow.prompt) : strdup(PROMPTS_DEFAULT);
    return layers->config->prompt_template != NULL ? 0 : err_no_memory(err);
}

static int
apply_overlay(struct layers *layers, const struct paths *paths, struct err *err)
{
    AUTO(buf_free) struct buf text = {0};
    AUTO(ytree_free_ptr) struct ytree *root = NULL;
    buf_init(&text, YTREE_BYTES_MAX);
    if (file_read(paths->overlay, &text, err) != 0) {
        if (err->code == ERR_NOT_FOUND) {
            err_clear(err);
            return 0;
        }
        return -1;
    }
    if (ytree_read(buf_str(&text), text.len, paths->overlay, 1, &root, err) !=
        0)
        return -1;
    if (root != NULL && root->kind != YTREE_MAP)
        return err_set(err, ERR_CONFIG,
            "%s:%d: the overlay must be a map of keys and values",
            paths->overlay, root->line);
    return layers_file(layers, paths->overlay, root, err);
}

static int
apply_layers(struct layers *layers, const struct paths *paths,
    const struct config_sources *sources, struct err *err)
{
    if (layers_defaults(layers, err) != 0 ||
        apply_workflow(layers, paths, err) != 0 ||
        apply_overlay(layers, paths, err) != 0 ||
        layers_environment(layers, err) != 0)
        return -1;
    if (sources->port != NULL &&
        layers_option(layers, "server.port", sources->port, "--port", err) != 0)
        return -1;
    return validate(layers, err);
}

static int
load(struct config **out, const struct config_sources *sources,
    const struct paths *paths, struct env *env, struct err *err)
{
    *out = NULL;
    struct version *version = calloc(1, sizeof(*version));
    if (version == NULL)
        return err_no_memory(err);
    atomic_init(&version->references, 1);
    AUTO(release_ptr) struct config *config = &version->config;
    AUTO(layers_release)
    struct layers layers = {.config = config, .env = env};
    config->data_dir = strdup(sources->data_dir);
    if (config->data_dir == NULL)
        return err_no_memory(err);
    if (apply_layers(&layers, paths, sources, err) != 0)
        return -1;
    *out = STEAL(config);
    return 0;
}

int
config_load(
    struct config **out, const struct config_sources *sources, struct err *err)
{
    *out = NULL;
    AUTO(paths_release) struct paths paths = {0};
    if (paths_make(&paths, sources, err) != 0)
        return -1;
    AUTO(env_free_ptr) struct env *env = env_new();
    if (env == NULL)
        return err_no_memory(err);
    return load(out, sources, &paths, env, err);
}

/* ---- the live one ---- */

struct config_live {
    pthread_mutex_t lock; /* current */
    struct config *current;
    pthread_mutex_t reload_lock; /* everything below */
    struct paths paths;
    struct env *env;
    char *data_dir;
    char *port;
    struct stamp workflow;
    struct stamp overlay;
    bool had_workflow;  /* the current version was made with one */
    struct err failure; /* of the files as they are now, or ERR_NONE */
};

static struct config_sources
live_sources(const struct config_live *live)
{
    return (struct config_sources){
        .data_dir = live->data_dir, .port = live->port};
}

static void
publish(struct config_live *live, struct config *config)
{
    pthread_mutex_lock(&live->lock);
    struct config *old = live->current;
    live->current = config;
    pthread_mutex_unlock(&live->lock);
    config_release(old);
}

/* Loads what the files say now; the stamps are older than what is read, so
 * that a change in between is seen by the next look. */
static int
load_stamped(struct config_live *live, const struct stamp *workflow,
    const struct stamp *overlay, struct err *err)
{
    struct config *config = NULL;
    struct config_sources sources = live_sources(live);
    live->workflow = *workflow;
    live->overlay = *overlay;
    /* Editors remove and rename: falling back to the defaults for a moment
     * would run agents under a policy that nobody wrote. */
    if (live->had_workflow && !workflow->exists)
        return err_set(err, ERR_CONFIG,
            "missing_workflow_file: %s is gone; the last good configuration "
            "stays",
            live->paths.workflow);
    if (load(&config, &sources, &live->paths, live->env, err) != 0)
        return -1;
    live->had_workflow = workflow->exists;
    publish(live, config);
    return 0;
}

static int
look(const struct config_live *live, struct stamp *workflow,
    struct stamp *overlay, struct err *err)
{
    if (stamp_take(live->paths.workflow, workflow, err) != 0)
        return -1;
    return stamp_take(live->paths.overlay, overlay, err);
}

static int
live_init(struct config_live *live, const struct config_sources *sources,
    struct err *err)
{
    if (paths_make(&live->paths, sources, err) != 0)
        return -1;
    live->env = env_new();
    live->data_dir = strdup(sources->data_dir);
    live->port = sources->port != NULL ? strdup(sources->port) : NULL;
    if (live->env == NULL || live->data_dir == NULL ||
        (sources->port != NULL && live->port == NULL))
        return err_no_memory(err);
    struct stamp workflow;
    struct stamp overlay;
    if (look(live, &workflow, &overlay, err) != 0)
        return -1;
    return load_stamped(live, &workflow, &overlay, err);
}

int
config_live_open(struct config_live **out, const struct config_sources *sources,
    struct err *err)
{
    *out = NULL;
    struct config_live *live = calloc(1, sizeof(*live));
    if (live == NULL)
        return err_no_memory(err);
    pthread_mutex_init(&live->lock, NULL);
    pthread_mutex_init(&live->reload_lock, NULL);
    if (live_init(live, sources, err) != 0) {
        config_live_close(live);
        return -1;
    }
    *out = live;
    return 0;
}

void
config_live_close(struct config_live *live)
{
    if (live == NULL)
        return;
    config_release(live->current);
    paths_release(&live->paths);
    env_free(live->env);
    free(live->data_dir);
    free(live->port);
    pthread_mutex_destroy(&live->reload_lock);
    pthread_mutex_destroy(&live->lock);
    free(live);
}

struct config *
config_get(struct config_live *live)
{
    pthread_mutex_lock(&live->lock);
    struct config *config = live->current;
    atomic_fetch_add(&((struct version *)config)->references, 1);
    pthread_mutex_unlock(&live->lock);
    return config;
}

static int
reload_locked(struct config_live *live, struct err *err)
{
    struct stamp workflow;
    struct stamp overlay;
    if (look(live, &workflow, &overlay, err) != 0)
        return -1;
    if (stamp_equal(&workflow, &live->workflow) &&
        stamp_equal(&overlay, &live->overlay)) {
        if (live->failure.code == ERR_NONE)
            return 0;
        *err = live->failure;
        return -1;
    }
    err_clear(&live->failure);
    if (load_stamped(live, &workflow, &overlay, err) == 0)
        return 0;
    live->failure = *err;
    /* What is not the file's fault goes away without a new edit. */
    if (err->code != ERR_CONFIG)
        live->workflow = (struct stamp){.size = -1};
    return -1;
}

int
config_reload(struct config_live *live, struct err *err)
{
    pthread_mutex_lock(&live->reload_lock);
    int rc = reload_locked(live, err);
    pthread_mutex_unlock(&live->reload_lock);
    return rc;
}

/* ---- the effective values ---- */

/* Closes and opens objects until the ones in `open` are the sections of path.
 * Returns the last segment. */
static const char *
descend(struct jw *w, char *open, size_t size, const char *path)
{
    for (;;) {
        size_t len = strlen(open);
        if (len == 0 || (strncmp(open, path, len) == 0 && path[len] == '.'))
            break;
        char *dot = strrchr(open, '.');
        *(dot != NULL ? dot : open) = '\0';
        jw_end_obj(w);
    }
    const char *rest = path + strlen(open) + (open[0] != '\0' ? 1 : 0);
    for (const char *dot = strchr(rest, '.'); dot != NULL;
         dot = strchr(rest, '.')) {
        char segment[KEYS_PATH_MAX] = "";
        memcpy(segment, rest, (size_t)(dot - rest));
        jw_obj(w, segment);
        (void)keys_join(open, size, segment);
        rest = dot + 1;
    }
    return rest;
}

void
config_write(const struct config *config, struct jw *w, const char *key)
{
    char open[KEYS_PATH_MAX] = "";
    jw_obj(w, key);
    for (size_t i = 0; i < KEYS_COUNT; i++) {
        const struct keys_row *row = keys_at(i);
        const char *name = descend(w, open, sizeof(open), row->path);
        value_write(config, row, w, name);
    }
    (void)descend(w, open, sizeof(open), "");
    jw_end_obj(w);
}
