/*
 * start ROUNDS COMMAND... [-- COMMAND...]...: starts each command in turn, ROUNDS times, its output going nowhere, and prints
 * for each a line with the median of the microseconds from before its start to after its end. One after the other, so that a
 * slow moment of the machine hits all.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { COMMANDS_MAX = 16 };
extern char **environ;

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double run_us(char **command)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    double start = now_us();
    if (posix_spawn(&pid, command[0], &actions, NULL, command, environ) != 0 || waitpid(pid, &status, 0) != pid || status != 0) {
        fprintf(stderr, "start: %s failed\n", command[0]);
        exit(1);
    }
    double end = now_us();
    posix_spawn_file_actions_destroy(&actions);
    return end - start;
}

int main(int argc, char **argv)
{
    char **commands[COMMANDS_MAX];
    double *times[COMMANDS_MAX];
    int count = 0, rounds = argc > 2 ? atoi(argv[1]) : 0;
    if (rounds < 1)
        return 2;
    commands[count++] = argv + 2;
    for (int i = 2; i < argc && count < COMMANDS_MAX; i++)
        if (strcmp(argv[i], "--") == 0) {
            argv[i] = NULL;
            commands[count++] = argv + i + 1;
        }
    for (int i = 0; i < count; i++)
        times[i] = calloc((size_t)rounds, sizeof *times[i]);
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < count; i++)
            times[i][round] = run_us(commands[i]);
    for (int i = 0; i < count; i++) {
        qsort(times[i], (size_t)rounds, sizeof *times[i], compare);
        printf("%.1f\n", times[i][rounds / 2]);
    }
    return 0;
}
