"""`python -m deploy.economics`: docs/economics.md's figures and plots, made anew."""

from __future__ import annotations

from typer.testing import CliRunner

from deploy.cli import app
from deploy.economics import page, plots
from deploy.gas import figures


def said(flags: list[str]) -> str:
    """What `refute economics` prints."""
    return CliRunner().invoke(app, ["economics", *flags], catch_exceptions=False).stdout


def main() -> None:
    page.PAGE.write_text(page.rendered(page.PAGE.read_text(), said))
    drawn = plots.draw(plots.figures(figures.load()), page.PLOTS)
    print(f"written: {page.PAGE.name}, {', '.join(path.name for path in drawn)}")


if __name__ == "__main__":
    main()
