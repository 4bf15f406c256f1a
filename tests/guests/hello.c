/* A program: arguments, environment, standard input and output, the exit code. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Says what comes from standard input, and when nothing has come for a while. */
static void watch(void)
{
    char text[100];
    struct pollfd input = {.fd = 0, .events = POLLIN};
    ssize_t size = 1;

    while (size > 0) {
        if (poll(&input, 1, 100) == 0) {
            puts("nothing");
        } else if ((size = read(0, text, sizeof text)) > 0) {
            printf("got %.*s\n", (int)size, text);
        }
        fflush(stdout);
    }
}

/* Writes until that fails, at most a hundred megabytes. */
static int flood(void)
{
    static char block[100000];

    memset(block, 'x', sizeof block);
    for (int i = 0; i < 1000; i++)
        for (size_t done = 0; done < sizeof block;) {
            ssize_t written = write(1, block + done, sizeof block - done);
            if (written < 0) {
                perror("flood");
                return 1;
            }
            done += (size_t)written;
        }
    return 0;
}

int main(int argc, char **argv)
{
    const char *name = getenv("NAME");

    printf("Hello, %s!\n", name != NULL ? name : "world");
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--cat") == 0) {
            int c;
            while ((c = getchar()) != EOF)
                if (putchar(c) == EOF)
                    return 1; /* nobody reads: a guest is told so, not killed */
        } else if (strcmp(argv[i], "--watch") == 0) {
            watch();
        } else if (strcmp(argv[i], "--flood") == 0) {
            return flood();
        } else if (strcmp(argv[i], "--fail") == 0) {
            fprintf(stderr, "failing, as asked\n");
            return 3;
        } else {
            printf("argument %d: %s\n", i, argv[i]);
        }
    }
    return 0;
}
