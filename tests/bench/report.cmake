# A tiny run of bench_report over RUNS: Loam and one peer in one pattern, and a program that prints
# rows of its own. Checks what is printed and what is written to OUT.
file(REMOVE_RECURSE ${OUT})
file(MAKE_DIRECTORY ${OUT})

file(READ ${RUNS} runs)
string(REGEX MATCHALL "each\t[^\n]*/patterns-(loam|glibc)\n" runs "${runs}")
string(JOIN "" runs ${runs})
file(WRITE ${OUT}/own.tsv "noise\nrow\tOwn rows\ta <pattern>\tloam\tbytes\t50\n"
     "row\tOwn rows\ta <pattern>\tother\tbytes\t200\nrow\tOwn rows\tnot a number\tloam\tns\tx\n")
file(WRITE ${OUT}/runs "${runs}whole\t/bin/cat\t${OUT}/own.tsv\n")
set(options --rounds=2 --min-time=0.001 "--filter=48 B, freed at once$|own.tsv" --out=${OUT})
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
       "48 B, freed at once +ns per pair +[0-9.]+ +[0-9.]+ glibc +[0-9.]+")
expect("the table" "${printed}" "a <pattern> +bytes +50.0 +200 other +0.25")
file(READ ${OUT}/index.html page)
expect("the page" "${page}" "^<!doctype html>")
expect("the page" "${page}" "<figcaption>48 B, freed at once</figcaption>")
expect("the page" "${page}" "<figcaption>a &lt;pattern&gt;</figcaption>")
expect("the page" "${page}" "patterns-loam --benchmark_min_time=0.001 --benchmark_filter='")
expect("the page" "${page}" "</html>\n$")
if(page MATCHES "https?://|<script|<link|not a number")
  message(SEND_ERROR "the page wants something from elsewhere, or shows what is no row")
endif()
file(STRINGS ${OUT}/rows.tsv rows REGEX "\tglibc\t")
list(LENGTH rows rounds)
expect("the number of samples of glibc" "${rounds}" "^2$")
foreach(peer loam glibc)
  file(READ ${OUT}/patterns-${peer}.json json)
  string(JSON runs LENGTH "${json}" benchmarks)
  expect("the number of runs in patterns-${peer}.json" "${runs}" "^2$")
endforeach()

# A program that fails is named, and the rest is shown all the same.
file(APPEND ${OUT}/runs "whole\t/bin/cat\t${OUT}/none\n")
execute_process(COMMAND ${REPORT} --rounds=1 --filter=cat --out=${OUT} ${OUT}/runs
                OUTPUT_VARIABLE printed ERROR_VARIABLE errors RESULT_VARIABLE result)
expect("the exit status after a failure" "${result}" "^1$")
expect("what is said of a failure" "${errors}" "failed: .*/none")
expect("the table after a failure" "${printed}" "a <pattern>")
