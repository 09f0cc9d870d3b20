"""Global options are taken before and after the verb; the innermost wins."""

import click
import pytest
from click.testing import CliRunner

from condattest.cli.settings import Command, Group, Settings, pass_settings, settings_of


@pytest.fixture
def tree():
    """A group with a command that gives its settings back."""

    @click.group(cls=Group, examples=["x y", "x z"])
    def top():
        """Do things."""

    @top.command("show", examples=["x show", "x show --json"])
    @click.option("--own", is_flag=True, help="Its own.")
    @pass_settings
    def show(settings, /, own):
        """Show them."""
        click.echo(f"{settings.color} {settings.json} {settings.offline} {settings.verbose} {own}")

    return top


def invoke(tree, *arguments, env=None):
    result = CliRunner().invoke(tree, list(arguments), env=env or {}, obj=Settings())
    assert result.exit_code == 0, result.output
    return result.output.strip()


def test_options_before_and_after_are_the_same(tree):
    assert invoke(tree, "--json", "show") == invoke(tree, "show", "--json") == "auto True False 0 False"


def test_the_innermost_wins(tree):
    assert invoke(tree, "--color", "never", "show", "--color", "always").startswith("always")
    assert invoke(tree, "--color", "never", "show").startswith("never")


def test_the_environment_counts_where_nothing_was_typed(tree):
    assert invoke(tree, "show", env={"CONDATTEST_OFFLINE": "1"}) == "auto False True 0 False"


def test_help_keeps_own_and_global_options_apart(tree):
    text = invoke(tree, "show", "--help")
    assert text.index("Examples") < text.index("--own") < text.index("Global options") < text.index("--offline")
    assert "x show --json" in text


def test_a_command_s_class_is_inherited(tree):
    assert isinstance(tree.commands["show"], Command)
    context = click.Context(tree, obj=Settings(color="never"))
    assert settings_of(context).color == "never"
