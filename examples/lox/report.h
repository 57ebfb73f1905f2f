// The report of --gc-report: what Loam held and did, as a reader wants to see it.
#ifndef LOX_REPORT_H
#define LOX_REPORT_H

#include <loam/loam.h>

namespace lox {

// Prints to stdout. To be called before the VM is closed, while there is something to see.
void print_report(loam_runtime *runtime);

}  // namespace lox

#endif
