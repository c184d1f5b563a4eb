"""The board conformance suite on the unix board: findings go to stderr, the exit code is their number."""

import sys

sys.path.append(sys.argv[0].rsplit("/", 2)[0])

import conformance

from board import Board


def main():
    # on a real clock: the computer may be busy with other tests
    findings = conformance.findings(Board(), 2000000)
    for finding in findings:
        sys.stderr.write(finding + "\n")
    sys.exit(len(findings))


main()
