"""Kinds of commands that typer does not have; no torch at import."""

from typing import Any

from typer.core import TyperCommand


class ExplainsSettings(TyperCommand):
    """A command whose help ends with every setting, generated from the schema."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Name, meaning, default and values of every setting."""
        from seg.schema import describe, expected, shown

        with formatter.section("Settings"):
            formatter.write_dl(
                [(name, f"{meaning} [{shown(default)}; {expected(name)}]") for name, default, meaning, _ in describe()]
            )


class GoesOn(ExplainsSettings):
    """A command whose `--resume` may stand alone, for the newest unfinished run."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As ever, with `--resume=` where no run follows; typer knows no option with a value that may be left out."""
        followed = zip(args, [*args, "-"][1:], strict=True)
        alone = [f"{word}=" if word == "--resume" and after.startswith("-") else word for word, after in followed]
        return super().parse_args(ctx, alone)
