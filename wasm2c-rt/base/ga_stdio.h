#ifndef GA_STDIO_H
#define GA_STDIO_H

/* For the beginning of main: standard streams that the caller closed are opened so that using them fails. Otherwise the next
 * files opened would get their numbers, and messages would be written into them. */
void ga_stdio_hold(void);

#endif
