// run.mjs BASE: runs the public HTTP cache tests against the cache at BASE and prints
// what each test said, with what is needed to score it. The suite's own origin must run
// behind that cache: see internal/proxy/cachesuite_test.go, which starts both.
import { getResults, runTests } from 'http-cache-tests/client/runner.mjs'
import fetch from 'node-fetch'
import suites from 'http-cache-tests/tests/index.mjs'

const base = process.argv[2]
if (base === undefined) {
  console.error('usage: node run.mjs http://127.0.0.1:PORT')
  process.exit(2)
}
await runTests(suites, fetch, false, base)
const results = getResults()
const out = []
for (const suite of suites) {
  for (const test of suite.tests) {
    if (!(test.id in results)) continue
    const result = results[test.id]
    out.push({
      id: test.id,
      kind: test.kind ?? 'required',
      dependsOn: test.depends_on ?? [],
      shared: Boolean(test.cdn_only || test.browser_skip || test.browser_only),
      passed: result === true,
      said: result === true ? '' : result.join(': ')
    })
  }
}
console.log(JSON.stringify(out))
