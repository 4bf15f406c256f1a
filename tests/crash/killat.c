/*
 * Runs a program and kills it, with SIGKILL, before its n-th system call that others, or a later process, can see something of:
 *
 *   killat N PROGRAM [ARGUMENT]...
 *
 * N 0: never; instead, standard error ends with how many there were, "killat: 410 calls". Threads count like the program itself; its children run free.
 * The exit status is the program's; 128 and the signal if one ended it.
 *
 * How: ptrace stops the program at each system call. What is not in the list below changes nothing outside of its memory (or, like
 * mmap and lock calls, nothing that outlives it), so a kill anywhere between two of them is the same as a kill before the second: all n
 * together are all crashes there are, up to what the world does meanwhile.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const long SEEN[] = {
    SYS_write, SYS_pwrite64, SYS_writev, SYS_pwritev, SYS_pwritev2, SYS_ftruncate, SYS_truncate, SYS_fallocate, SYS_copy_file_range,
    SYS_sendfile, SYS_splice, SYS_fsync, SYS_fdatasync, SYS_sync_file_range, SYS_msync, SYS_rename, SYS_renameat, SYS_renameat2, SYS_link,
    SYS_linkat, SYS_symlink, SYS_symlinkat, SYS_unlink, SYS_unlinkat, SYS_mkdir, SYS_mkdirat, SYS_rmdir, SYS_utimensat, SYS_chmod,
    SYS_fchmod, SYS_fchmodat, SYS_connect, SYS_sendto, SYS_sendmsg, SYS_sendmmsg, SYS_shutdown, SYS_close, SYS_recvfrom, SYS_recvmsg,
};

static bool is_seen(long number)
{
    for (size_t i = 0; i < sizeof SEEN / sizeof *SEEN; i++)
        if (SEEN[i] == number)
            return true;
    return false;
}

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "killat: %s: %s\n", what, strerror(errno));
    exit(125);
}

static pid_t start(char **words)
{
    pid_t child = fork();
    if (child < 0)
        fail("fork");
    if (child > 0)
        return child;
    if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0)
        fail("ptrace");
    execvp(words[0], words);
    fail(words[0]);
}

/* The system call that a stopped thread is about to make; -1: it comes out of one. */
static long call_entered(pid_t thread)
{
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0)
        return -1;
    return info.op == PTRACE_SYSCALL_INFO_ENTRY ? (long)info.entry.nr : -1;
}

/* How the first process ended, as an exit status. `seen_out`: how many calls of the list there were. */
static int follow(pid_t child, long kill_at, long *seen_out)
{
    for (;;) {
        int status, signal = 0;
        pid_t thread = waitpid(-1, &status, __WALL);
        if (thread < 0)
            fail("waitpid");
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (thread == child)
                return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            continue;
        }
        if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            if (is_seen(call_entered(thread)) && ++*seen_out == kill_at)
                kill(child, SIGKILL);
        } else if (WSTOPSIG(status) != SIGTRAP && WSTOPSIG(status) != SIGSTOP)
            signal = WSTOPSIG(status);
        (void)ptrace(PTRACE_SYSCALL, thread, 0, signal); /* gone, if it was killed */
    }
}

int main(int count, char **words)
{
    if (count < 3) {
        fprintf(stderr, "usage: killat N PROGRAM [ARGUMENT]...\n");
        return 2;
    }
    int status;
    long seen = 0;
    pid_t child = start(words + 2);
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
        fail("the program did not start");
    if (ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL) != 0)
        fail("ptrace");
    (void)ptrace(PTRACE_SYSCALL, child, 0, 0);
    int ended = follow(child, atol(words[1]), &seen);
    if (atol(words[1]) == 0)
        fprintf(stderr, "killat: %ld calls\n", seen);
    return ended;
}
