#ifndef TERRAZZO_CONFINE_H
#define TERRAZZO_CONFINE_H

// Set before main when Landlock keeps the process to its roots.
extern int terrazzo_confined;

#endif
