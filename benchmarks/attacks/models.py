"""Model folders of others: code in every place that names some, and fields of another type than they should have."""

from __future__ import annotations

import io
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

from benchmarks.attacks.place import CANARY, Attack, Ended, Place, told

QUIET = "no code of the folder runs, whoever says yes: the model is read by its known architecture, or refused"
TEXTS = "wheat prices rose\nquarterly profit up\n"


def model(place: Place) -> Path:
    target = place.folder / "model"
    shutil.copytree((place.made / "models/finetuned").resolve(), target)
    return target


def _evil(folder: Path, place: Place) -> None:
    code = f"import os\nos.system('touch {place.folder}/{CANARY}')\n"
    classes = (
        "from transformers import *\nclass Evil: pass\nclass EvilConfig(BertConfig): pass\n"
        "class EvilModel(BertForSequenceClassification): pass\n"
    )
    for name in (
        "evil.py",
        "modeling_bert.py",
        "configuration_bert.py",
        "tokenization_bert.py",
        "__init__.py",
        "sitecustomize.py",
        "setup.py",
    ):
        (folder / name).write_text(code + classes, encoding="utf-8")


def predicted(place: Place, folder: Path, given: str = TEXTS, **more: Any) -> Ended:
    """Run predict with a model folder."""
    return place.command(
        "stages.predict", "--model", str(folder), cwd=more.pop("cwd", place.folder), given=given, **more
    )


def evaluated(place: Place, folder: Path, stage: str) -> Ended:
    """Run a stage in a project whose base (tokenize, finetune) or fine-tuned model (evaluate) is `folder`."""
    project = place.copy()
    target = project / ("models/finetuned" if stage == "evaluate" else "models/base")
    shutil.rmtree(target)
    shutil.copytree(folder, target, symlinks=True)
    return place.command(f"stages.{stage}", cwd=project, REPRISE_WORKERS="1") if stage != "finetune" else place.program(
        "python", "-m", "stages.finetune", cwd=project, REPRISE_WORKERS="1", seconds=110)  # fmt: skip


def fine(place: Place, ended: Ended) -> str:
    place.quiet()
    return (
        f"code 0, {len(ended.out.splitlines())} rows"
        if ended.code == 0 and "Traceback" not in ended.err
        else told(ended)
    )


MAPS = {"AutoConfig": "evil.EvilConfig", "AutoModel": "evil.EvilModel",
    "AutoModelForSequenceClassification": "evil.EvilModel",
        "AutoTokenizer": ["evil.Evil", "evil.Evil"]}  # fmt: skip
CODE: dict[str, dict[str, dict[str, Any]]] = {
    "auto_map in config": {"config.json": {"auto_map": MAPS}},
    "auto_map elsewhere": {"config.json": {"auto_map": {name: f"someone/repo--{what}" for name,
    what in MAPS.items() if isinstance(what, str)}}},
    "auto_map in tokenizer_config": {"tokenizer_config.json": {"auto_map": MAPS, "tokenizer_class": "Evil"}},
    "auto_map in all": {"config.json": {"auto_map": MAPS}, "tokenizer_config.json": {"auto_map": MAPS}},
    "an unknown type with auto_map": {"config.json": {"auto_map": MAPS, "model_type": "evil"}},
    "trust in config": {"config.json": {"auto_map": MAPS, "trust_remote_code": True},
    "tokenizer_config.json": {"trust_remote_code": True}},
    "a class of the tokenizer": {"tokenizer_config.json": {"tokenizer_class": "evil.Evil"}},
    "a slow tokenizer": {"tokenizer_config.json": {"tokenizer_class": "evil", "use_fast": False}},
    "custom pipelines": {"config.json": {"custom_pipelines": {"text-classification": {"impl": "evil.Evil",
    "pt": ["AutoModel"]}}}},
    "an attention of the hub": {"config.json": {"_attn_implementation": "someone/kernels",
    "attn_implementation": "someone/kernels"}},
    "a kernel config": {"config.json": {"kernel_config": {"x": "someone/kernels:x"}, "use_kernels": True}},
    "an architecture that is a path": {"config.json": {"architectures": ["../evil.EvilModel", "evil.EvilModel"]}},
    "a name that leads elsewhere": {"config.json": {"_name_or_path": "../evil", "name_or_path": "someone/evil"}},
    "a chat template": {"tokenizer_config.json": {"chat_template": "{% for x in range(10**9) %}{% endfor %}"}},
    "an adapter": {"adapter_config.json": {"peft_type": "LORA", "base_model_name_or_path": "someone/evil",
    "auto_mapping": {"parent_library": "evil"}}},
    "quantized": {"config.json": {"quantization_config": {"quant_method": "evil", "modules": "evil"}}},
    "a generation config": {"generation_config.json": {"custom_generate": "evil", "trust_remote_code": True}},
    "a processor": {"processor_config.json": {"auto_map": {"AutoProcessor": "evil.Evil"}, "processor_class": "Evil"}},
    "a torch dtype": {"config.json": {"dtype": "__import__('os').system('touch canary')", "torch_dtype": "evil"}},
    "weights that config names": {"config.json": {"transformers_weights": "evil.bin"}},
    "fast tokenizer file elsewhere": {"tokenizer_config.json": {"tokenizer_file": "/etc/passwd",
    "vocab_file": "/etc/passwd"}},
    "modules of sentence-transformers": {"modules.json": {"0": {"type": "evil.Evil", "path": ""}}},
}  # fmt: skip


def _code(place: Place, value: tuple[str, str]) -> str:
    files, by = CODE[value[0]], value[1]
    folder = model(place)
    _evil(folder, place)
    for name, fields in files.items():
        path = folder / name
        held = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        path.write_text(json.dumps({**held, **fields}), encoding="utf-8")
    if by == "predict in the folder":
        return fine(place, predicted(place, folder, "y\n" * 200, cwd=folder))
    return fine(place, predicted(place, folder, "y\n" * 200) if by == "predict" else evaluated(place, folder, by))


class _Runs:
    def __init__(self, place: Place) -> None:
        self.command = f"touch {place.folder}/{CANARY}"

    def __reduce__(self) -> Any:
        import os

        return os.system, (self.command,)


PICKLES = ("pytorch_model.bin", "model.pt", "model.ckpt", "training_args.bin", "optimizer.pt", "tf_model.h5",
    "flax_model.msgpack",
           "model.safetensors", "tokenizer.pkl", "vocab.pkl", "scheduler.pth", "rng_state.pth", "tokenizer.model",
           "spiece.model")  # fmt: skip


def _pickle(place: Place, value: tuple[str, bool]) -> str:
    name, alone = value
    folder = model(place)
    if alone:
        (folder / "model.safetensors").unlink()
    buffer = io.BytesIO()
    pickle.dump(_Runs(place), buffer)
    (folder / name).write_bytes(buffer.getvalue())
    return fine(place, predicted(place, folder))


ATTACKS = (
    Attack("a folder that names code, predicted with by `yes y |`", QUIET, _code,
           {f"{name}: {by}": (name, by) for name in CODE for by in ("predict", "predict in the folder")}),
    Attack("a model that names code, read by a stage", QUIET, _code,
           {f"{name}: {by}": (name, by) for name in ("auto_map in all", "an unknown type with auto_map",
           "auto_map in tokenizer_config")
            for by in ("tokenize", "finetune", "evaluate")}),
    Attack("a pickle that runs a command, under every name", QUIET, _pickle,
           {f"{name}{' alone' * alone}": (name, alone) for name in PICKLES for alone in (False, True)}),
)  # fmt: skip
