// The inline calls once more, as plain exported functions for LOAM_NO_INLINE: the bodies are those
// of loam/inline.h.
#define LOAM_HOT LOAM_API
#include <loam/loam.h>
