"""The clips, and which of them must stay together when a model is judged on sources it never saw.

Sources that drew from one corpus are one group: a model that learned LJ Speech's microphone on one demo
page would recognise it on the next. Groups follow the corpora that speaker names and pages give away;
a source that is in no group below is a group by itself.
"""

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

FOLDS = 10

_GROUPS: dict[str, tuple[str, ...]] = {
    "librispeech-zero-shot": (
        "e1tts", "flashspeech", "ditto-tts", "clam-tts", "mega-tts-demo", "mega2-demo", "lifeiteng-valle",
        "make-a-voice", "mobilespeech-demo", "styletts2-demo", "speechtokenizer", "languagecodec",
        "asr-guided-tts", "jasonppy-VoiceCraft_web", "librispeech-subset(Resemblyzer)", "nii-voc-pair",
    ),
    "ljspeech": (
        "wavegrad", "diffwave", "waveflow", "flowvocoder", "portaspeech", "glow-tts", "fastpitch", "bddm",
        "grad-tts", "syntaspeech", "hifi-gan-demo", "vits-demo", "melgan", "univmelgan", "adaspeech",
        "fastspeech2-ming", "matcha-tts", "wavernn-fatchord", "lhotse-fixtures",
    ),
    "vctk-conversion": (
        "BrightGu-MediumVC", "howard1337-S2VC", "freevc-demo", "quickvc-QuickVC-VoiceConversion",
        "Wendison-VQMIVC-demo", "KimythAnly-AGAIN-VC-demo", "auspicious3000-SpeechSplit-Demo",
        "auspicious3000-autovc-demo", "vctk-subset(autovc)", "mindslab-ai-assem-vc", "mindslab-ai-cotatron",
        "mahdeslami11-SingleVC", "styletts-vc-styletts-vc.github.io", "winddori2002-vc-demo.github.io",
        "diffvc-fast-ml-solver-diffvc-fast-ml-solver.github.io", "ericwudayi-vqvc",
        "jlian2-Robust-Voice-Style-Transfer", "jjery2243542-one-shot-vc-demo", "aijianiula0601-FlowCPCVC",
        "Edresson-YourTTS", "speechbot-speechbot.github.io", "freecodec", "dpscodec", "tuanvu92-VCC2020",
    ),
    "arctic-conversion": (
        "unilight-Publication-Demos", "liusongxiang-BNE-Seq2SeqMoL-VC", "guanlongzhao-guanlongzhao.github.io",
    ),
    "esd-emotion": (
        "KunZhou9646-Emovox_demo", "KunZhou9646-Mixed_Emotions_Demo", "ConsistencyVC-ConsistencyVC-demo-page",
        "ed-tts",
    ),
    "aishell": (
        "BabaiLi-tacotron2_samples", "KuangDD-zhrtvc", "zhrtvc-aishell3", "zhrtvc-biaobei",
        "zhrtvc-aliyun-examples", "cythc-MEGA_forme_TTS", "aishell-sample", "wenet-tests", "mandarin-tts-ranchlai",
    ),
    "thuhcsi": (
        "icassp2022-cross-speaker-style-transfer", "icassp2022-expressive-tts-hierarchical-context",
        "icassp2022-hybrid-bottleneck-vc", "interspeech2021-conversational-tts",
        "interspeech2021-multi-scale-style-control", "interspeech2022-calm-tts", "interspeech2022-msc-tts",
        "is2022-cross-speaker-reading-style-transfer", "iscslp2022-hilvoice",
        "thuhcsi-icassp2022-hybrid-bottleneck-vc", "thuhcsi-is2019", "thuhcsi-iscslp2022-HILvoice",
    ),
    "spontaneous-japanese": ("spontts-csj", "spontts-samples"),
    "wenetspeech": ("wenetspeech-wu", "wenetspeech-yue", "wenetspeech4tts"),
    "cosyvoice": ("funaudiollm-demo", "everest-ai", "emovoice"),
}  # fmt: skip
_GROUP_OF = {source: group for group, sources in _GROUPS.items() for source in sources}


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled clip; `path` is relative to the manifest's folder, `seconds` its length."""

    path: str
    source: str
    synthetic: bool
    system: str
    language: str
    speaker: str
    seconds: float

    @property
    def group(self) -> str:
        """The set of sources that must fall on one side of every split."""
        return _GROUP_OF.get(self.source, self.source)


def read_manifest(path: Path) -> list[Clip]:
    """Read `manifest.csv`. Raises KeyError if a column is missing, OSError if the file is."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Clip(
                path=row["path"],
                source=row["source"],
                synthetic=row["label"] == "spoof",
                system=row["system"],
                language=row["language"],
                speaker=row["speaker"],
                seconds=float(row["seconds"]),
            )
            for row in csv.DictReader(file)
        ]


def assign_folds(clips: list[Clip], folds: int = FOLDS) -> list[int]:
    """Return the fold of each clip: whole groups, largest first, each to the fold with the fewest clips so far."""
    sizes = Counter(clip.group for clip in clips)
    load = [0] * folds
    fold_of: dict[str, int] = {}
    for group, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        fold_of[group] = load.index(min(load))
        load[fold_of[group]] += size
    return [fold_of[clip.group] for clip in clips]
