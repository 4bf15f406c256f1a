/* A program that does steps on files (file_steps.h), one an argument, and prints their answers. */
#include "file_steps.h"

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        printf("%s\n", file_step(argv[i]));
    return 0;
}
