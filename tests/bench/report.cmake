# A tiny run of bench_report over RUNS: Loam and one peer in one pattern, and a program that prints
# rows of its own. Checks what is printed and what is written to OUT.
file(REMOVE_RECURSE ${OUT})
file(MAKE_DIRECTORY ${OUT})

file(READ ${RUNS} runs)
string(REGEX MATCHALL "each\t[^\n]*/patterns-(loam|glibc)\n" runs "${runs}")
string(JOIN "" runs ${runs})
file(WRITE ${OUT}/own.tsv "noise\nrow\tOwn rows\ta <pattern>\tloam\tbytes\t50\n"
     "row\tOwn rows\ta <pattern>\tother\tbytes\t200\nrow\tOwn rows\tnot a number\tloam\tns\tx\n")
foreach(sample "loam\tns\t10" "loam\tns\t30" "CPython 3.11\tns\t100" "CPython 3.11\tns\t100"
        "other\tns\t50")
  file(APPEND ${OUT}/own.tsv "row\tOwn rows\tsome work\t${sample}\n")
endforeach()
# Two lines, of which the dashed one comes down to 0, and a point that is none.
foreach(point "loam\t\tnodes\t1000\tns\t5" "loam\t\tnodes\t1000\tns\t7"
        "loam\t\tnodes\t2000\tns\t300" "other\tsome <way>\tnodes\t2000\tns\t0"
        "other\tsome <way>\tnodes\t1000\tns\t0.002" "other\t\tnodes\tnone\tns\t1")
  file(APPEND ${OUT}/own.tsv "point\tOwn rows\ta <chart>\t${point}\n")
endforeach()
file(WRITE ${OUT}/runs "${runs}whole\t/bin/cat\t${OUT}/own.tsv\n")
set(options --repetitions=2 --min-time=0.001 "--filter=48 B, freed at once$|own.tsv" --out=${OUT})
execute_process(COMMAND ${REPORT} ${options} ${OUT}/runs
                OUTPUT_VARIABLE printed ERROR_VARIABLE errors RESULT_VARIABLE result)

function(expect what text pattern)
  if(NOT text MATCHES "${pattern}")
    message(SEND_ERROR "${what} has nothing like ${pattern}:\n${text}")
  endif()
endfunction()

expect("the exit status" "${result}" "^0$")
expect("the table" "${printed}" "Small blocks")
expect("the table" "${printed}"
       "48 B, freed at once +(ns|µs|ms) per pair +[0-9.,]+ +[0-9.,]+ glibc +[0-9.,]+")
expect("the table" "${printed}" "a <pattern> +bytes +50.0 +200 other +0.25")
expect("the table" "${printed}" "some work +ns +20.0 +50.0 other +0.40 +0.20–0.60")
expect("the table beside CPython" "${printed}"
       "Beside CPython 3.11 alone[^\n]*\n  some work \\(ns\\) +20.0 +100 +0.20 +0.10–0.30\n\n")
file(READ ${OUT}/index.html page)
expect("the page" "${page}" "^<!doctype html>")
expect("the page" "${page}"
       "<h1>Loam takes [0-9.,]+&nbsp;× the time of the best of 2 other allocators, and 0.20&nbsp;×")
expect("the page" "${page}" "<figcaption>48 B, freed at once</figcaption>")
expect("the page" "${page}" "<figcaption>a &lt;pattern&gt;</figcaption>")
expect("the page" "${page}" "<figcaption>a &lt;chart&gt;</figcaption>")
expect("the page" "${page}" "<svg role=img [^>]*aria-label=.Own rows, a &lt;chart&gt;: ns")
expect("the page" "${page}" "<desc>Loam: 6.00 at 1k, 300 at 2k. other, some &lt;way&gt;: 0.0020 at")
expect("the page" "${page}" "dashed: some &lt;way&gt;")
expect("the page" "${page}" "<td>6.00<small> 5.00–7.00</small></td><td>0.0020</td>")
expect("the page" "${page}" "patterns-loam --benchmark_min_time=0.001 --benchmark_filter='")
expect("the page" "${page}" "</html>\n$")
if(page MATCHES "https?://|<script|<link|not a number|[^a-z]nan[^a-z]")
  message(SEND_ERROR "the page wants something from elsewhere, or shows what is no row")
endif()
file(STRINGS ${OUT}/rows.tsv points REGEX "^point\tOwn rows\ta <chart>\tloam\t\tnodes\t1000\tns\t")
list(LENGTH points samples)
expect("the number of samples of a point" "${samples}" "^4$")
file(STRINGS ${OUT}/rows.tsv rows REGEX "\tglibc\t")
list(LENGTH rows rounds)
expect("the number of samples of glibc" "${rounds}" "^2$")
foreach(peer loam glibc)
  file(READ ${OUT}/patterns-${peer}.json json)
  string(JSON runs LENGTH "${json}" benchmarks)
  expect("the number of runs in patterns-${peer}.json" "${runs}" "^2$")
endforeach()

# The size is handed to those who take one, and --repetitions holds for programs that take long.
file(WRITE ${OUT}/runs "sized\t/usr/bin/printf\trow\\tOwn rows\\tsize %s\\tloam\\tns\\t1\\n\n")
foreach(size quick full)
  execute_process(COMMAND ${REPORT} --repetitions=3 --${size} --out=${OUT} ${OUT}/runs
                  OUTPUT_VARIABLE printed COMMAND_ERROR_IS_FATAL ANY)
  expect("the table with --${size}" "${printed}" "size --${size} +ns")
  file(STRINGS ${OUT}/rows.tsv rows REGEX "^row")
  list(LENGTH rows rounds)
  expect("the number of samples with --repetitions=3 --${size}" "${rounds}" "^3$")
endforeach()

# A program that fails is named, and the rest is shown all the same.
file(WRITE ${OUT}/runs "whole\t/bin/cat\t${OUT}/own.tsv\nwhole\t/bin/cat\t${OUT}/none\n")
execute_process(COMMAND ${REPORT} --repetitions=1 --filter=cat --out=${OUT} ${OUT}/runs
                OUTPUT_VARIABLE printed ERROR_VARIABLE errors RESULT_VARIABLE result)
expect("the exit status after a failure" "${result}" "^1$")
expect("what is said of a failure" "${errors}" "failed: .*/none")
expect("the table after a failure" "${printed}" "a <pattern>")
