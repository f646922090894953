import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seg.cli import app
from seg.completion import OPTIONS, SCRIPTS, VERBS, candidates

LINES = [
    ("seg tra", {"train", "transfer"}),
    ("seg --debug li", {"list"}),
    ("/opt/venv/bin/seg ch", {"check"}),
    ("seg train organ=li", {"organ=liver"}),
    ("seg train organ=liver,pan", {"organ=liver,pancreas"}),
    ("seg train organ=liver,li", set()),
    ("seg train optim.w", {"optim.warmup=", "optim.weight_decay="}),
    ("seg train opt", {"optim."}),
    ("seg train train.precision=b", {"train.precision=bf16"}),
    ("seg train train.compile=", {"train.compile=true", "train.compile=false"}),
    ("seg train preset=q", {"preset=quick"}),
    ("seg train predict.flips=left_right,", {"predict.flips=left_right,front_back"}),
    ("seg train loss.mask=dice_f", {"loss.mask=dice_focal"}),
    ("seg train evaluate.metrics=dice,i", {"evaluate.metrics=dice,iou"}),
    ("seg train strategy=sup", {"strategy=supervised"}),
    ("seg train data.format=nn", {"data.format=nnunet"}),
    ("seg train model.weights=im", {"model.weights=imagenet"}),
    ("seg train no.such=", set()),
    ("seg train --dr", {"--dry-run"}),
    ("seg train 'organ=li", {"organ=liver"}),
    ("seg list f", {"formats"}),
    ("seg completion b", {"bash"}),
    ("seg phantom --layout de", {"decathlon"}),
    ("seg phantom --scanner ", {"a", "b"}),
    ("seg predict liver in --launcher pro", {"processes"}),
    ("seg prove --arms scratch,finet", {"scratch,finetune"}),
    ("seg prove --arms ima", {"imagenet"}),
    ("seg prove --rec", {"--recompute"}),
    ("seg report liver-", {"liver-1"}),
    ("seg train --resume liver-", {"liver-1"}),
    ("seg train data.root=sc", {"data.root=scans/"}),
    ("seg train data.root=scans/", {"data.root=scans/a b.nii"}),
    ("seg train data.root=nowhere/", set()),
    ("seg train --config o", {"own.yaml"}),
    ("seg evaluate pred", {"pred/", "predict."}),
    ("seg predict liver-1 sc", {"scans/"}),
    ("seg predict liver-1 --output sc", {"scans/"}),
]


@pytest.fixture(autouse=True)
def _files():
    for folder in ("scans", "pred", "runs/liver-1"):
        Path(folder).mkdir(parents=True)
    for file in ("scans/a b.nii", "own.yaml", "runs/liver-1/manifest.json", ".hidden"):
        Path(file).touch()


@pytest.mark.parametrize(("line", "words"), LINES, ids=[line for line, _ in LINES])
def test_the_last_word_of_a_line_is_completed(line, words):
    assert set(candidates(line)) == words


def test_a_new_word_may_be_any_setting_or_section():
    found = candidates("seg train ")
    assert {"organ=", "preset=", "data.", "train."} <= set(found)
    assert "data.root=" not in found


def test_a_new_line_offers_the_verbs():
    assert set(VERBS) <= set(candidates("seg "))


def test_verbs_and_options_are_those_of_the_command_line():
    import typer.main

    commands = typer.main.get_command(app).commands
    assert {name for name, command in commands.items() if not command.hidden} == set(VERBS)
    for name in VERBS:
        long = {max(option.opts, key=len) for option in commands[name].params if option.opts[0].startswith("-")}
        assert long - {"--debug"} == set(OPTIONS.get(name, ()))


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TERM": "dumb"}


BASH = """
{script}
COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}; COMP_WORDS=({words}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
_seg_complete seg
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("line", "words", "reply"),
    [
        ("seg ch", "seg ch", ["check"]),
        ("seg train organ=li", "seg train organ = li", ["liver"]),
        ("seg train organ=", "seg train organ =", ["kidneys", "liver", "pancreas", "spleen", "stomach"]),
        ("seg train organ=liver,pan", "seg train organ = liver,pan", ["liver,pancreas"]),
        ("seg train optim.w", "seg train optim.w", ["optim.warmup=", "optim.weight_decay="]),
        ("seg train train.precision=b", "seg train train.precision = b", ["bf16"]),
        ("seg train data.root=scans/", "seg train data.root = scans/", ["scans/a\\ b.nii"]),
    ],
)
def test_bash_gets_only_what_follows_the_equals_sign(line, words, reply):
    program = BASH.format(script=SCRIPTS["bash"], line=line, words=words.replace(" = ", " '=' "))
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True, env=_environment())
    assert done.stdout.splitlines() == reply


# What is typed also appears on the terminal; the doubled quotes tell what is printed from what is typed.
ZSH = """
zmodload zsh/zpty
zpty seg zsh -f -i
zpty -w seg 'PS1=; stty cols 200; autoload -U compinit; compinit -u -D; source <(seg completion zsh); echo RE""ADY'
zpty -r seg _ '*READY*'
zpty -w -n seg $'{line}\\t\\x01print -r "SH""OWN<\\x05>"\\n'
zpty -r seg shown '*SHOWN<*>*'
print -r -- "$shown"
zpty -d seg
"""


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh")
@pytest.mark.parametrize(
    ("line", "whole"),
    [
        ("seg ch", "seg check"),
        ("seg train organ=li", "seg train organ=liver"),
        ("seg train organ=liver,pan", "seg train organ=liver,pancreas"),
        ("seg train optim.lr", "seg train optim.lr="),
    ],
)
def test_zsh_writes_the_whole_word(line, whole):
    program = ZSH.format(line=line)
    done = subprocess.run(["zsh", "-f", "-c", program], capture_output=True, text=True, check=True, env=_environment())
    assert f"SHOWN<{whole}" in done.stdout
