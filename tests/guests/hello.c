/* A program: arguments, environment, standard input and output, the exit code. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    const char *name = getenv("NAME");

    printf("Hello, %s!\n", name != NULL ? name : "world");
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--cat") == 0) {
            int c;
            while ((c = getchar()) != EOF)
                putchar(c);
        } else if (strcmp(argv[i], "--fail") == 0) {
            fprintf(stderr, "failing, as asked\n");
            return 3;
        } else {
            printf("argument %d: %s\n", i, argv[i]);
        }
    }
    return 0;
}
