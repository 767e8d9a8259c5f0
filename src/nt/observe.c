#include "nt/observe.h"

const struct observe_hooks *observe_hooks;
