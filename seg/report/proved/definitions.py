"""What every measure, interval and p of a proof is, and where it comes from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Definition:
    """One entry below the table."""

    title: str
    text: str
    source: str = ""
    only: frozenset[str] = frozenset()
    """Measures or columns without which it is left out; empty: it always stands there."""

    @property
    def plainly(self) -> str:
        """The text where models are compared that are no transfers."""
        return self.text.replace("Helped or hurt where", "Better or worse where")


def _of(*names: str) -> frozenset[str]:
    return frozenset(names)


DEFINITIONS = (
    Definition(
        "End",
        "Mean Dice of the last tenth of the evaluations; never the best one, which would be chosen on the test.",
        "Torrey and Shavlik, Transfer Learning (2009): final performance.",
        _of("asymptote"),
    ),
    Definition(
        "Dice",
        "Dice of each test patient with the finished model; several cases of one patient are averaged first.",
        only=_of("final"),
    ),
    Definition(
        "Start",
        "Dice of the first evaluation: after the warm-up in which only the heads learn, or at the very beginning.",
        "Torrey and Shavlik (2009): initial performance; Kumar et al., ICLR 2022, for the warm-up.",
        _of("start"),
    ),
    Definition(
        "Slope",
        "Dice gained until the step at which the mean of both arms is half of the way from start to end, as if both "
        "had started at the same height: half of the distance from the common start is added to the gain of each. "
        "Undefined where the mean of both rises by less than one point. Column Over: those steps.",
        "Torrey and Shavlik (2009): learning slope; the common start is this program's own.",
        _of("slope"),
    ),
    Definition(
        "Area",
        "Mean Dice over the steps: the area below the curve by its length. Listed, not judged.",
        "Taylor and Stone, J. Mach. Learn. Res. 10 (2009), section 2.1: total reward.",
        _of("area"),
    ),
    Definition(
        "Difference",
        "Arm minus baseline in Dice points (hundredths of Dice), of the same patients and the same seeds: trainings of "
        "one seed share draw, order and augmentation.",
    ),
    Definition(
        "95 % interval (Low, High)",
        "Of the mean difference, for new patients and new trainings: a hierarchical bootstrap that draws patients with "
        "replacement and effects of trainings from the normal distribution, stretched to the standard error and the t "
        "quantile of the crossed design. With one training of each it holds for these trainings alone.",
        "Davison and Hinkley, Bootstrap Methods (1997), 3.8; Hesterberg, Am. Stat. 69 (2015): expanded percentile; "
        "Searle, Casella and McCulloch, Variance Components (1992), chapter 4.",
    ),
    Definition(
        "p, patients",
        "Two-sided, by sign flips: how often chance alone would favour one arm as clearly, if for every patient either "
        "arm could have been the other. For new patients with these very models.",
        "Fisher, The Design of Experiments (1935), section 21; Phipson and Smyth (2010).",
        _of("p_cases"),
    ),
    Definition(
        "p",
        "The larger one of p, patients and that of the t distribution of the crossed design: for new patients and new "
        "trainings.",
        "Satterthwaite, Biometrics Bulletin 2 (1946), for the degrees of freedom.",
        _of("p"),
    ),
    Definition(
        "p, Holm",
        "The same, adjusted for the measures that are judged together.",
        "Holm, Scand. J. Stat. 6 (1979) 65-70.",
        _of("p_holm"),
    ),
    Definition(
        "Verdict",
        "Helped or hurt where the interval excludes 0, p, Holm is below 0.05 and the difference reaches the margin; "
        "else no evidence, which does not mean that there is no difference. Over all measures the end decides; where "
        "it shows nothing, start and slope do unless they contradict each other. Each pair of arms at each size is "
        "judged by itself: who reads many verdicts should expect a few by chance.",
    ),
    Definition(
        "SD",
        "Standard deviations of the paired differences: between patients, between trainings, and of the rest, which "
        "neither explains. With one training of each the rest is in that of patients.",
        "Searle, Casella and McCulloch (1992), chapter 4.",
        _of("case_sd"),
    ),
    Definition(
        "Detectable",
        "The smallest true difference that an experiment with so many patients and trainings finds in 9 of 10 "
        "repetitions.",
        "Noncentral t distribution of the crossed design.",
        _of("detectable"),
    ),
)
