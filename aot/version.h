#ifndef AOT_VERSION_H
#define AOT_VERSION_H

#define GOLEM_AOT_VERSION "0.1.0"

#endif
