"""Every setting, its default, its range and its meaning. The one place where defaults live; no torch.

How YAML files and `key=value` words override them is in `overrides.py`.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from seg.advice_settings import Advise
from seg.organ import Organ as Organ
from seg.values import AboveZero, FileName, Finite, Fraction, Names, NotNegative, Positive, Seed, Window, Written
from seg.values import Section as Section


class Data(Section):
    """Which scans, and how to understand them."""

    root: str = ""
    """Folder of the scans; empty uses the synthetic abdomen."""
    format: Written = "auto"
    """Layout on disk (`seg list formats`), or auto to find out by looking."""
    patient_pattern: Written = "{patient}_{slice}"
    """How a picture's file name is made of patient and slice."""
    labels: dict[str, tuple[int, ...]] = {}  # noqa: RUF012 - pydantic copies defaults
    """Label values per organ, such as data.labels={liver:[1,2]}; overrides what the data set declares."""
    modality: Literal["auto", "ct", "mr", "picture"] = "auto"
    """How intensities are meant: Hounsfield units, arbitrary, or already windowed pictures."""
    spacing_mm: tuple[AboveZero, AboveZero] | None = None
    """Pixel size (y, x) of pictures, which do not carry it; null reports distances in pixels."""
    trust: Literal["sform", "qform"] | None = None
    """Which affine to believe where a NIfTI file's two disagree; null refuses such files."""
    nan_to: Finite | None = None
    """Value that replaces voxels that are not finite; null refuses such files."""
    labelled: Annotated[int, Field(ge=0)] | None = None
    """Use only so many labelled training patients, treat the others as unlabelled; null uses all, 0 none."""
    labelled_seed: Seed = 0
    """Which patients `data.labelled` draws."""
    workers: Annotated[int, Field(ge=0, le=64)] | None = None
    """Processes that load and augment; null decides from the machine. Results do not depend on it."""
    worker_start: Literal["auto", "fork", "forkserver", "spawn"] = "auto"
    """How they start: auto forks on Linux, which is quick; the others are for libraries that do not survive a fork."""
    timeout_s: Annotated[float, Field(ge=1, le=86_400)] = 300.0
    """A slice that takes a loading process longer ends the training; a network drive's usual pause is 60 to 180 s."""


class Split(Section):
    """Which patients train, choose and judge."""

    seed: Seed = 0
    """Same seed, same patients: same split."""
    test_fraction: Fraction = 0.2
    """Share of the labelled patients kept back until the end."""
    validation_fraction: Fraction = 0.15
    """Share of the labelled patients that choose the best step."""
    folds: Annotated[int, Field(ge=2)] | None = None
    """k-fold instead: the test patients are fold number `split.fold`; null uses the fractions."""
    fold: Annotated[int, Field(ge=0)] = 0
    """Which of the folds is the test set."""
    file: str = ""
    """A saved split.json to use instead of drawing one."""

    @model_validator(mode="after")
    def _leaves_training_patients(self) -> "Split":
        if self.test_fraction + self.validation_fraction >= 1:
            raise ValueError("split.test_fraction and split.validation_fraction together below 1")
        if self.folds is not None and self.fold >= self.folds:
            raise ValueError("split.fold below split.folds (the first fold is 0)")
        return self


class Prepare(Section):
    """From a scan's own grid and intensities to what the network sees."""

    spacing: Literal["auto", "native"] | AboveZero = "auto"
    """In-plane pixel size of the network's grid in mm (or picture pixels); auto makes the median slice fit."""
    size_px: Annotated[int, Field(ge=32, le=2048, multiple_of=32)] = 256
    """Side of the square the network is trained on."""
    intensity: Literal["auto", "window", "percentiles", "zscore", "range"] = "auto"
    """CT window, foreground percentiles of the data set, z-score per case, or the full range of the pixel type."""
    window_hu: Window | None = None
    """Overrides the organ's CT window."""
    neighbours: Annotated[int, Field(ge=0, le=5)] = 1
    """Slices on each side that a volume's slice is stacked with; a lone slice is repeated."""
    cache: str = ""
    """Folder of prepared scans; empty keeps them in `.cache` beside the runs."""


class Augment(Section):
    """Random changes of the training slices; all scale with `strength`."""

    strength: NotNegative = 1.0
    """Multiplies every range below; 0 switches augmentation off."""
    rotation_deg: Annotated[float, Field(ge=0, le=180)] = 15.0
    """Rotation, either way."""
    scale: Annotated[float, Field(ge=0, lt=0.9)] = 0.15
    """Relative zoom, either way."""
    shift: Fraction = 0.06
    """Shift as a share of the side, either way."""
    brightness: Fraction = 0.15
    """Added, as a share of the intensity range, either way."""
    contrast: Fraction = 0.2
    """Relative, either way."""
    gamma: Annotated[float, Field(ge=0, lt=0.9)] = 0.25
    """Relative exponent, either way."""
    noise: Fraction = 0.04
    """Largest standard deviation of added noise, as a share of the intensity range."""
    blur: Fraction = 0.15
    """Probability of a slight blur."""
    flip: tuple[Literal["left_right", "front_back"], ...] = ()
    """Anatomical axes that may be mirrored; refused left-right for paired organs."""


class Model(Section):
    """The network."""

    encoder: Written = "resnet50"
    """Any segmentation-models-pytorch encoder or `tu-<timm name>`; plain ViTs get a DPT decoder."""
    weights: Written = "imagenet"
    """imagenet, none, auto (imagenet where it can be had), or a .safetensors or .pth file."""
    decoder_channels: Annotated[tuple[Positive, ...], Field(min_length=1)] = (256, 128, 64, 32, 16)
    """Width of the U-Net decoder, deepest first."""
    edge_head: bool = True
    """Also predict the organ's boundary band, the part of a model that moves between organs."""
    edge_width_px: Annotated[int, Field(ge=1, le=15)] = 2
    """How far the boundary band reaches to each side, in pixels of the network's grid."""


class Loss(Section):
    """What is minimised."""

    mask: Written = "dice_cross_entropy"
    """Loss of the organ masks (`seg list losses`)."""
    edge: Written = "edge"
    """Loss of the boundary bands."""
    edge_weight: NotNegative = 0.3
    """Weight of the edge loss beside the mask loss."""


class Optim(Section):
    """How weights move."""

    lr: Annotated[float, Field(gt=0, lt=1)] = 5e-4
    """Peak learning rate of AdamW."""
    encoder_lr_factor: NotNegative = 0.5
    """Learning rate of a pretrained encoder relative to the rest; 1 is used where the encoder starts from nothing."""
    weight_decay: NotNegative = 0.01
    """Decoupled weight decay; not applied to biases and norms."""
    schedule: Literal["cosine", "poly", "constant"] = "cosine"
    """Shape of the learning rate after the warm-up."""
    warmup: Fraction = 0.05
    """Share of the steps in which the learning rate rises from zero."""
    clip_norm: AboveZero | None = 5.0
    """Largest gradient norm; null does not clip."""


class Train(Section):
    """The loop."""

    steps: Positive | None = None
    """Optimiser steps, where `train.epochs` is null; null means 1000."""
    epochs: AboveZero | None = None
    """Passes over the training slices; where given, `train.steps` is not looked at."""
    time_budget_min: AboveZero | None = None
    """Fewer steps where they alone would take longer; turned into steps after timing 25; validations come on top."""
    batch_size: Positive = 8
    """Slices in a step."""
    unlabelled_batch_size: Positive | None = None
    """Unlabelled slices beside them, where a strategy uses such; null means as many."""
    source_batch_size: Positive | None = None
    """Slices of the source's scans beside them, where a strategy uses such; null means as many."""
    foreground_fraction: Fraction = 0.67
    """At least this share of the slices of an epoch shows an organ, as far as there are any."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """auto: bf16 where the processor has it, else fp16 on CUDA, else fp32."""
    tf32: bool = False
    """Let a GPU round what fp32 multiplies to 10 bits of fraction; faster. Off, since fp32 promises 23 bits."""
    channels_last: bool = True
    """Memory layout; faster for convolutions."""
    compile: bool = False
    """torch.compile the network, and the teacher where one teaches.

    Another look of `uncertainty` at the slices goes through parts of the teacher, which are not."""
    ema: bool = True
    """Keep slowly moving averages of the weights and use them for predictions."""
    ema_half_life: Fraction = 0.02
    """Half-life of the averages as a share of the steps."""
    validations: Positive = 10
    """How often the validation patients are scored, evenly over the run."""
    patience: Positive | None = None
    """Stop after so many validations without a better one; null never stops early."""
    seed: Seed = 0
    """Of weights, order and augmentation."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train."""
    threads: Positive | None = None
    """CPU threads; null leaves it to torch."""
    tensorboard: bool = True
    """Also write TensorBoard files into the run."""


class Predict(Section):
    """From a trained run to masks."""

    batch_size: Positive = 8
    """Slices per forward pass."""
    flips: tuple[Literal["left_right", "front_back"], ...] = ()
    """Mirrored copies averaged into the prediction."""
    keep_largest: Literal["auto", "yes", "no"] = "auto"
    """Keep only the organ's largest connected parts; auto decides on the validation patients."""
    probabilities: bool = False
    """Also write the organ probabilities."""


class Evaluate(Section):
    """How predictions are judged."""

    metrics: Names = ("dice", "iou", "hd95", "assd", "nsd", "precision", "recall", "volume_difference")
    """Which metrics (`seg list metrics`)."""
    nsd_tolerance_mm: AboveZero | None = None
    """Overrides the organ's tolerance of the surface Dice."""
    bootstrap_samples: Annotated[int, Field(ge=100, le=1_000_000)] = 10_000
    """Resamplings behind an interval."""
    show_names: bool = False
    """Print patients' names in reports instead of pseudonyms."""
    curve: Annotated[int, Field(ge=0, le=1000)] = 0
    """So many times along a training the test patients are scored too, for `seg prove`; nothing is chosen by it."""


class Runs(Section):
    """Where results go."""

    folder: Written = "runs"
    """Folder of all runs."""
    name: FileName = ""
    """Name of this run; empty makes one from organ and date."""


class Transfer(Section):
    """Where knowledge comes from."""

    source: tuple[Written, ...] = ()
    """An organ (its best run), a run, a folder, a weight file, imagenet or none; the first gives the weights."""
    parts: Literal["encoder", "encoder_decoder", "all"] = "all"
    """Which parts of the source's network are taken over; heads only where organs agree or both models have one."""
    via: tuple[Written, ...] = ()
    """Organs to go through on the way from the source to the target, in order; each is kept only where it helps."""
    via_roots: dict[str, Written] = {}  # noqa: RUF012 - pydantic copies defaults
    """Scans of an organ on the way, such as transfer.via_roots={spleen:folder}; the others have theirs in data.root."""
    via_steps: Positive | None = None
    """Steps of the training of each organ on the way; null takes what the target's training takes."""
    guard: bool = True
    """Compare short trainings from the source and without it first, and leave the source where it hurts."""
    probe_steps: Positive | None = None
    """Steps of the short target trainings that choose between two starts; null takes a quarter of the target's.

    A quarter of the budget ranks candidates in successive halving with factor 4 (Li et al. 2018, Hyperband, which
    suggests 3 or 4). The two probes around an organ then cost half a training.
    """
    advised: str = ""
    """What `--strategy auto` chose and why, written by the program: going on with a run does not ask again."""


class Settings(Section):
    """Everything a training needs; `seg train organ=liver --show-config` prints it resolved."""

    organ: Names = ("liver",)
    """Organ or organs one model carries (`seg list organs`)."""
    preset: Written = "auto"
    """A file of configs/preset; auto takes gpu or cpu by what is there."""
    strategy: Names = ("supervised",)
    """What moves and what learns; several combine (`seg list strategies`)."""
    components: dict[str, dict[str, Any]] = {}  # noqa: RUF012 - pydantic copies defaults
    """What the strategies are made of and the knobs of each, written `<component>.<knob>=value`."""
    data: Data = Data()
    split: Split = Split()
    prepare: Prepare = Prepare()
    augment: Augment = Augment()
    model: Model = Model()
    loss: Loss = Loss()
    transfer: Transfer = Transfer()
    advise: Advise = Advise()
    optim: Optim = Optim()
    train: Train = Train()
    predict: Predict = Predict()
    evaluate: Evaluate = Evaluate()
    runs: Runs = Runs()


def config_folder() -> Path:
    """`configs/`, inside an installed package or at the top of a checkout."""
    packaged = Path(__file__).parent / "configs"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "configs"
