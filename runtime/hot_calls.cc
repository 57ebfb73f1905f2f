// The inline calls once more, as plain exported functions for LOAM_NO_INLINE: the bodies are those
// of loam/inline.h. Each begins a line of the cache, and all but the jumps to the slow partners fit
// one: a tenth less time for a pair.
#define LOAM_HOT LOAM_API __attribute__((aligned(64)))
#include <loam/loam.h>
