"""Says in a job's log what it asked for that is recorded and shown, but not carried out."""

from typing import Any


def not_carried_out(request: dict[str, Any]) -> list[str]:
    """A sentence for each part of a CreateTrainingJob request that has no effect here."""
    sentences = [
        f"{name} is recorded but not carried out: {why}"
        for name, why in _WITHOUT_EFFECT.items()
        if request.get(name) not in (None, {}, [], False)
    ]
    if request["ResourceConfig"].get("KeepAlivePeriodInSeconds"):
        sentences.append("KeepAlivePeriodInSeconds is recorded but not carried out: every job starts warm already.")
    if request["StoppingCondition"].get("MaxPendingTimeInSeconds"):
        sentences.append("MaxPendingTimeInSeconds is recorded but not carried out: jobs wait until there is room.")
    if any("ShuffleConfig" in channel for channel in request.get("InputDataConfig", [])):
        sentences.append("ShuffleConfig is recorded but not carried out: files keep their order.")
    if request["OutputDataConfig"].get("KmsKeyId") or request["ResourceConfig"].get("VolumeKmsKeyId"):
        sentences.append("KmsKeyId is recorded but not carried out: nothing is encrypted.")
    if request["AlgorithmSpecification"].get("EnableSageMakerMetricsTimeSeries"):
        sentences.append("EnableSageMakerMetricsTimeSeries is recorded; only the last value of each metric is kept.")
    return sentences


_WITHOUT_EFFECT = {
    "DebugHookConfig": "no tensors are saved for the debugger.",
    "DebugRuleConfigurations": "no rules are evaluated.",
    "EnableInterContainerTrafficEncryption": "the job runs on one machine.",
    "EnableManagedSpotTraining": "the job is never interrupted, and its time is billed in full.",
    "ExperimentConfig": "there are no experiments.",
    "InfraCheckConfig": "no check is made.",
    "MlflowConfig": "nothing is sent to MLflow.",
    "ModelPackageConfig": "no model package is made.",
    "ProfilerConfig": "nothing is profiled.",
    "ProfilerRuleConfigurations": "no rules are evaluated.",
    "RemoteDebugConfig": "nobody can log in to the job.",
    "SessionChainingConfig": "jobs have no session.",
    "TensorBoardOutputConfig": "event files stay where the script writes them.",
    "VpcConfig": "jobs use this machine's network.",
}
