from condattest.model.artifact import PackageFile
from condattest.model.finding import Code, Finding
from condattest.model.verdict import Rejected
from condattest.operations.question import Question, Verification
from condattest.policy import rules


def test_a_question_has_the_settings_of_the_command_line_by_default():
    question = Question(policy=rules.for_repository("octo/demo"))
    assert (question.style, question.patches, question.bundles, dict(question.roots)) == ("cep50", "policy", (), {})


def test_an_answer_without_a_judgement_has_no_rule():
    answer = Verification(
        target="x-1-0.conda",
        file=PackageFile.parse("x-1-0.conda"),
        sha256=None,
        channel=None,
        attestations=(),
        judged=None,
        verdict=Rejected((Finding.of(Code.BIND_NO_DIGEST),)),
    )
    assert answer.rule is None
