# cython: language_level=3
"""_prl: what of the C core's headers Python sees. Declarations alone, no code."""

from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t, uint64_t

cdef extern from "config/options/request.h" nogil:
    pass

cdef extern from "container/life.h" nogil:
    struct prl_error:
        int32_t errnum
        uint16_t stage, sentence
        char *syscall
        char *subject

    struct prl_stdio:
        int fds[3]

    struct prl_wish:
        const char *const *args
        const char *const *env
        const char *cwd
        int fds[3]

    struct prl_child:
        int pid
        int pidfd
        int terminal_fd
        uint64_t start_ns

    struct prl_usage:
        uint64_t memory_peak_bytes, cpu_ns, io_read_bytes, io_write_bytes, throttled_ns
        uint64_t memory_stall_ns, cpu_stall_ns, io_stall_ns
        uint32_t pids_peak, oom_kills, pids_refused

    struct prl_status:
        uint32_t ended_by
        int32_t exit_code
        int32_t signal
        uint64_t wall_ns, user_ns, system_ns, max_rss_bytes
        prl_usage usage

    struct prl_process:
        const char *const *args

    struct prl_resources:
        uint32_t asked

    struct prl_spec:
        prl_process process
        prl_resources resources
        bint verify
        uint64_t wall_limit_ns
        int stop_signal

    struct prl_option:
        const char *name
        char letter
        int kind
        bint repeat
        unsigned verbs
        int door
        const char *field
        const char *metavar
        const char *group
        const char *help

    const prl_option prl_option_table[]

    struct prl_option_value:
        const prl_option *option
        const char *text

    struct prl_options:
        prl_option_value *values
        size_t values_len
        const char *image
        char **args
        bint engine
        bint help

    struct prl_dirs:
        char *data
        char *runtime
        int data_fd
        int runtime_fd

    struct prl_listed:
        char *id
        char *name
        char *directory
        int64_t created_ns
        int pid
        uint64_t start_ticks
        bint running
        int life
        int64_t started_ns
        unsigned restarts

    struct prl_joinable:
        int pidfd
        int proc_fd

    struct prl_template:
        int lock_fd

    struct prl_state:
        char *id
        char *path

    struct prl_request:
        const char *name

    struct prl_container:
        const prl_dirs *dirs
        const prl_request *request
        const char *launcher
        prl_state state
        char *json
        size_t json_len
        prl_spec *spec
        prl_child child

    enum:
        PRL_VERB_RUN
        PRL_VERB_EXEC
        PRL_VERB_CREATE
        PRL_VERB_ATTACH
        PRL_VERB_WAIT
        PRL_VERB_LOGS
        PRL_VERB_START
        PRL_VERB_RESTART
        PRL_VERB_PAUSE
        PRL_VERB_UNPAUSE
        PRL_VERB_RENAME
        PRL_VERB_UPDATE
        PRL_STAGE_COUNT

    int prl_options_default(prl_options *options, const char *words, size_t len, prl_error *err)
    int prl_options_parse(unsigned verb, int argc, char **argv, prl_options *ret, prl_error *err)
    bint prl_options_flag(const prl_options *options, const char *name)
    void prl_options_free(prl_options *options)
    void prl_request_read(const prl_options *options, prl_request *ret)
    int prl_dirs_open(const char *root, prl_dirs *ret, prl_error *err)
    int prl_dirs_look(const char *data, const char *runtime, prl_dirs *ret, prl_error *err)
    void prl_dirs_close(prl_dirs *dirs)
    int prl_state_list(const prl_dirs *dirs, bint kept, prl_listed **ret, size_t *ret_len, prl_error *err)
    int prl_state_look_up(const prl_dirs *dirs, const char *text, prl_listed *ret, prl_error *err)
    enum prl_state_file:
        PRL_STATE_CONFIG
        PRL_STATE_STATUS
        PRL_STATE_HEALTH
    int prl_state_read(const char *directory, prl_state_file file, char **ret, size_t *ret_len)
    void prl_listed_free(prl_listed *rows, size_t len)
    int prl_state_rename(const prl_dirs *dirs, const char *text, const char *name, prl_error *err)
    int prl_state_remove(const prl_dirs *dirs, const char *text, bint force, bint volumes, prl_error *err)
    int prl_process_hold(int pid, uint64_t start_ticks, prl_joinable *ret)
    void prl_template_free(prl_template *template)
    void prl_container_begin(prl_container *c, const prl_dirs *dirs, const prl_request *request)
    int prl_template_load(const prl_dirs *dirs, const char *image, prl_template *ret, prl_error *err)
    int prl_container_describe(prl_container *c, const prl_template *template, prl_error *err)
    int prl_container_create(prl_container *c, const prl_template *template, prl_error *err)
    int prl_container_start(prl_container *c, const prl_stdio *stdio, prl_error *err)
    int prl_container_hold(prl_container *c, const prl_stdio *stdio, prl_error *err)
    int prl_container_finish(prl_container *c, const prl_status *status, prl_error *err)
    void prl_container_free(prl_container *c)
    int prl_child_wait(prl_child *child, uint64_t kill_after_ns, prl_status *ret, prl_error *err)
    int prl_child_go(prl_child *child, const prl_spec *spec, const prl_wish *wish, prl_error *err)
    int prl_child_signal(prl_child *child, int signal, prl_error *err)
    const char *prl_stage_name(unsigned stage)

cdef extern from "container/state/volumes/store.h" nogil:
    struct prl_volume_want:
        const char *name
        const char **labels
        const char **options
        bint anonymous

    struct prl_volume_row:
        char *name
        char *record
        char (*users)[65]
        size_t users_len

    int prl_volume_make(const prl_dirs *dirs, const prl_volume_want *want, prl_error *err)
    int prl_volume_list(const prl_dirs *dirs, prl_volume_row **ret, size_t *ret_len, prl_error *err)
    int prl_volume_look(const prl_dirs *dirs, const char *name, prl_volume_row *ret, prl_error *err)
    int prl_volume_remove(const prl_dirs *dirs, const char *name, prl_error *err)
    void prl_volume_rows_free(prl_volume_row *rows, size_t len)

cdef extern from "container/monitor/wait.h" nogil:
    struct prl_capture:
        char *bytes
        size_t len
        bint lost

    struct prl_relay:
        int from_ "from"
        int to
        prl_capture *into

    struct prl_monitor_options:
        uint64_t wall_limit_ns
        prl_relay relays[3]

    int prl_monitor_run(prl_child *child, const prl_monitor_options *options, prl_status *ret, prl_error *err)

cdef extern from "container/monitor/record.h" nogil:
    enum:
        PRL_RECORD_ENDED

    struct prl_record_head:
        uint16_t version, kind
        int32_t value
        uint32_t len

    struct prl_record:
        prl_record_head head
        char *bytes

    int prl_record_send(int fd, const prl_record_head *head, const void *payload)
    int prl_record_send_fd(int fd, const prl_record_head *head, int passed_fd)
    int prl_record_receive(int fd, prl_record *ret, int *ret_fd)

cdef extern from "container/monitor/socket.h" nogil:
    int prl_control_connect(const prl_dirs *dirs, const char *id)

cdef extern from "container/pause.h" nogil:
    int prl_container_pause(const prl_dirs *dirs, const char *text, prl_error *err)
    int prl_container_unpause(const prl_dirs *dirs, const char *text, prl_error *err)

cdef extern from "container/stop.h" nogil:
    enum:
        PRL_STOP_OWN
    struct prl_stop:
        int signal
        int seconds
    int prl_container_stop(const prl_dirs *dirs, const char *text, const prl_stop *how, prl_error *err)
    int prl_container_kill(const prl_dirs *dirs, const char *text, int signal, prl_error *err)

cdef extern from "container/monitor/await.h" nogil:
    int prl_container_wait(const prl_dirs *dirs, const char *text, prl_status *ret, prl_error *err)

cdef extern from "config/network/facts.h" nogil:
    bint prl_network_facts_missing(const prl_options *options, const char *data_dir)

cdef extern from "base/error.h" nogil:
    struct prl_remedy:
        uint16_t stage
        int32_t errnum
        const char *klass
        const char *check
        const char *text

    const prl_remedy prl_remedies[]
    const prl_remedy *prl_error_remedy(const prl_error *error)

cdef extern from "spec/parse.h" nogil:
    const char *prl_spec_capability_name(unsigned number)

cdef extern from "limits/groups.h" nogil:
    struct prl_limits_plan:
        unsigned char *held_by
        uint32_t weak

    int prl_offer_enforcement(prl_limits_plan *ret, prl_error *err)
    void prl_limits_plan_free(prl_limits_plan *plan)

cdef extern from "limits/names.h" nogil:
    const char *prl_limit_name(unsigned limit)
    const char *prl_enforcement_name(unsigned enforcement)
    const char *prl_exactness_name(unsigned enforcement, bint weak)

cdef extern from "container/log/exports.h" nogil:
    struct prl_log_query:
        int64_t since_ns, until_ns, tail
        bint timestamps, details, out, err, follow

    struct prl_log_text:
        int stream
        const char *bytes
        size_t len

    struct prl_log_follow:
        pass

    int prl_log_follow_open(const prl_dirs *dirs, const prl_listed *row, const prl_log_query *query, prl_log_follow **ret, prl_error *err)
    int prl_log_follow_next(prl_log_follow *follow, prl_log_text *ret)
    void prl_log_follow_close(prl_log_follow *follow)

cdef extern from "container/log/exports.h" nogil:
    uint64_t prl_log_lost(const char *directory)

cdef extern from "container/events/journal.h" nogil:
    struct prl_event:
        const char *type
        const char *action
        const char *id
        const char *attributes

    void prl_journal_add(const prl_dirs *dirs, const prl_event *event)

cdef extern from "<sys/inotify.h>" nogil:
    enum:
        IN_CLOEXEC
        IN_NONBLOCK
        IN_MODIFY
        IN_CREATE
        IN_MOVED_TO
    int inotify_init1(int flags)
    int inotify_add_watch(int fd, const char *path, unsigned mask)

cdef extern from "config/options/exports.h" nogil:
    int prl_value_moment(const char *option, const char *text, int64_t *ret_ns, prl_error *err)
