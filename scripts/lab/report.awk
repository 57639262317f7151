# SPDX-License-Identifier: GPL-2.0
# Report the output of run_kselftest.sh to LAVA: a result for each case, or for
# the program if it has no cases. LAVA accepts few characters in a name.

function report(name, result)
{
	gsub(/[^A-Za-z0-9_.-]+/, "_", name)
	sub(/_+$/, "", name)
	system("lava-test-case '" name "' --result " result)
}

{ sub(/\r$/, ""); print }

/^# selftests: [^ ]+: [^ ]+$/ {
	program = $3 $4
	sub(/:/, ".", program)
	cases = 0
	next
}

/^# *(ok|not ok) [0-9]+ / {
	result = $2 == "not" ? "fail" : $0 ~ /# *SKIP/ ? "skip" : "pass"
	sub(/^# *(not )?ok [0-9]+ (- )?/, "")
	sub(/ *# .*$/, "")
	report(program "." $0, result)
	cases++
	failed += result == "fail"
	next
}

/^(ok|not ok) [0-9]+ selftests: / {
	result = $1 == "not" ? "fail" : /# SKIP/ ? "skip" : "pass"
	# A program may also fail after its last case.
	if (!cases || (result == "fail" && !failed))
		report(program, result)
	failed = 0
}
