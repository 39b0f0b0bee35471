"""How a finding reads, and that what is found twice is told once."""

from __future__ import annotations

from management_api.config.problems import ConfigRefused, Findings, Problem, Severity


def test_a_problem_names_file_line_key_and_what_is_wrong():
    problem = Problem(severity=Severity.ERROR, message="must be 1", source="a.yaml", line=3, where="b[0].c")
    assert str(problem) == "a.yaml line 3, b[0].c: must be 1"


def test_a_problem_of_the_whole_file_names_no_line():
    assert str(Problem(severity=Severity.ERROR, message="is empty")) == "config.yaml: is empty"


def test_findings_come_by_line_and_each_once():
    findings = Findings("a.yaml")
    findings.warn("second", 2, "k")
    findings.error("first", 1)
    findings.warn("second", 2, "k")
    assert [str(problem) for problem in findings.in_order()] == [
        "a.yaml line 1: first",
        "a.yaml line 2, k: second",
    ]


def test_a_refusal_prints_the_errors_and_keeps_the_warnings():
    findings = Findings("a.yaml")
    findings.error("one", 1)
    findings.warn("two", 2)
    findings.error("three", 3)
    refused = ConfigRefused(findings.in_order())
    assert str(refused) == "a.yaml line 1: one\na.yaml line 3: three"
    assert len(refused.problems) == 3
