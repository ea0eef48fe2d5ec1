"""What a training script finds in its environment: the SM_* variables and the arguments that AWS's toolkit gives it."""

import glob
import json
import os
from dataclasses import dataclass
from typing import Any

TOOLKIT_PREFIX = "sagemaker_"
TOOLKIT_NAMES = frozenset({"default_user_module_name", "_tuning_objective_metric"})
"""Hyperparameters besides those with the prefix that are for the toolkit and not for the script."""


@dataclass(frozen=True)
class TrainingEnvironment:
    """What is known inside a training worker, from the files below `input/config`."""

    root: str
    """Where the job's files are: `/opt/ml`, or a folder that stands for it."""
    hyperparameters: dict[str, Any]
    """The script's own, decoded from JSON where they are JSON."""
    toolkit_parameters: dict[str, Any]
    """Those of the toolkit, such as sagemaker_program."""
    channels: dict[str, Any]
    resources: dict[str, Any]

    @property
    def program(self) -> str:
        """The entry point that the job names; empty if it names none."""
        return str(os.environ.get("SAGEMAKER_PROGRAM") or self.toolkit_parameters.get("sagemaker_program") or "")

    @property
    def submit_directory(self) -> str:
        """Where the job says that its code is; empty if it does not say."""
        given = self.toolkit_parameters.get("sagemaker_submit_directory")
        return str(os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY") or given or "")

    def path(self, *names: str) -> str:
        """A path below the root."""
        return os.path.join(self.root, *names)

    def local(self, path: str) -> str:
        """A path below /opt/ml, where that is here."""
        if self.root != "/opt/ml" and (path == "/opt/ml" or path.startswith("/opt/ml/")):
            return self.root + path.removeprefix("/opt/ml")
        return path


def read_environment(root: str) -> TrainingEnvironment:
    """Read what the job's files say."""

    def read(name: str) -> dict[str, Any]:
        with open(os.path.join(root, "input", "config", name), encoding="utf-8") as file:
            content: dict[str, Any] = json.load(file)
            return content

    decoded = {name: decode(value) for name, value in read("hyperparameters.json").items()}
    for_toolkit = {name for name in decoded if name.startswith(TOOLKIT_PREFIX) or name in TOOLKIT_NAMES}
    return TrainingEnvironment(
        root=root,
        hyperparameters={name: value for name, value in decoded.items() if name not in for_toolkit},
        toolkit_parameters={name: decoded[name] for name in for_toolkit},
        channels=read("inputdataconfig.json"),
        resources=read("resourceconfig.json"),
    )


def decode(value: str) -> Any:
    """A hyperparameter's value: what its JSON says, since the SDK sends texts in quotes, else the text itself."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def script_arguments(hyperparameters: dict[str, Any]) -> list[str]:
    """Hyperparameters as the script's arguments, in order of their names: `--learning_rate 0.003 -k v`."""
    arguments: list[str] = []
    for name in sorted(hyperparameters):
        value = hyperparameters[name]
        if isinstance(value, dict):
            text = ",".join(f"{key}={value[key]}" for key in sorted(value))
        else:
            text = "" if value is None else str(value)
        arguments += [f"--{name}" if len(name) > 1 else f"-{name}", text]
    return arguments


def environment_variables(environment: TrainingEnvironment, code_directory: str) -> dict[str, str]:
    """All SM_* variables, and PYTHONPATH."""
    described = _described(environment, code_directory)
    variables = {f"SM_{name.upper()}": _text(value) for name, value in described.items() if name not in _NO_VARIABLES}
    variables |= {
        "SM_CHANNELS": _text(sorted(environment.channels)),
        "SM_HPS": _text(environment.hyperparameters),
        "SM_USER_ARGS": _text(script_arguments(environment.hyperparameters)),
        "SM_FRAMEWORK_PARAMS": _text(described["additional_framework_parameters"]),
        "SM_TRAINING_ENV": _text(described),
        "SM_NUM_NEURONS": "0",
    }
    for name, path in described["channel_input_dirs"].items():
        variables[f"SM_CHANNEL_{name.upper()}"] = path
    for name, value in environment.hyperparameters.items():
        variables[f"SM_HP_{name.upper()}"] = _text(value)
    previous = os.environ.get("PYTHONPATH")
    variables["PYTHONPATH"] = f"{code_directory}{os.pathsep}{previous}" if previous else code_directory
    return variables


_NO_VARIABLES = frozenset(
    {
        "additional_framework_parameters",
        "channel_input_dirs",
        "framework_module",
        "hyperparameters",
        "is_master",
        "job_name",
    }
)
"""What SM_TRAINING_ENV says but no variable of its own."""


def _described(environment: TrainingEnvironment, code_directory: str) -> dict[str, Any]:
    """What SM_TRAINING_ENV says."""
    resources = environment.resources
    hosts = resources["hosts"]
    return {
        "additional_framework_parameters": {
            name: value
            for name, value in environment.toolkit_parameters.items()
            if name not in ("sagemaker_program", "sagemaker_submit_directory", "sagemaker_container_log_level")
        },
        "channel_input_dirs": {name: environment.path("input", "data", name) for name in environment.channels},
        "current_host": resources["current_host"],
        "current_instance_group": resources.get("current_group_name", "homogeneousCluster"),
        "current_instance_type": resources.get("current_instance_type", "local"),
        "framework_module": None,
        "hosts": hosts,
        "hyperparameters": environment.hyperparameters,
        "input_config_dir": environment.path("input", "config"),
        "input_data_config": environment.channels,
        "input_dir": environment.path("input"),
        "is_master": resources["current_host"] == hosts[0],
        "job_name": os.environ.get("TRAINING_JOB_NAME", ""),
        "log_level": environment.toolkit_parameters.get("sagemaker_container_log_level", 20),
        "master_hostname": hosts[0],
        "model_dir": environment.path("model"),
        "module_dir": environment.submit_directory or code_directory,
        "module_name": environment.program.removesuffix(".py"),
        "network_interface_name": resources.get("network_interface_name", "eth0"),
        "num_cpus": len(os.sched_getaffinity(0)),
        "num_gpus": _gpus(),
        "output_data_dir": environment.path("output", "data"),
        "output_dir": environment.path("output"),
        "output_intermediate_dir": environment.path("output", "intermediate"),
        "resource_config": resources,
        "user_entry_point": environment.program,
    }


def _gpus() -> int:
    """How many GPUs the script may use. Asking torch would start CUDA, which then could not be used after a fork."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    present = len(glob.glob("/dev/nvidia[0-9]*"))
    if visible is None:
        return present
    return min(present, len([device for device in visible.split(",") if device.strip() not in ("", "-1")]))


def _text(value: Any) -> str:
    """A value as the toolkit writes it into a variable."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
