"""Training jobs that run, through boto3 against a running server."""

import itertools
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from training import ROLE, Training, channel, statuses

Name = Callable[[str], str]


@pytest.fixture(scope="module")
def training(server: Any) -> Training:
    return Training(server.client, "training-jobs")


def test_create_training_job_to_completed(training: Training, unique_name: Name) -> None:
    script = """
import os
print("Testing Loss: 0.75")
print("Testing Loss: 0.5")
with open(os.path.join(os.environ["SM_MODEL_DIR"], "model.txt"), "w") as file:
    file.write("weights")
with open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "curve.csv"), "w") as file:
    file.write("1,2")
"""
    before = time.time()
    request = training.request(unique_name("job"), script, Tags=[{"Key": "team", "Value": "dogs"}])
    request["AlgorithmSpecification"]["MetricDefinitions"] = [
        {"Name": "test:loss", "Regex": r"Testing Loss: ([0-9.]+)"},
        {"Name": "never", "Regex": "accuracy=([0-9.]+)"},
    ]
    arn = training.sagemaker.create_training_job(**request)["TrainingJobArn"]
    name = request["TrainingJobName"]
    assert arn == f"arn:aws:sagemaker:us-east-1:000000000000:training-job/{name}"
    described = training.wait(name)
    assert described["TrainingJobStatus"] == "Completed", (described.get("FailureReason"), training.log(name))
    assert statuses(described) == ["Starting", "Training", "Uploading", "Completed"]  # no channel, no Downloading
    transitions = described["SecondaryStatusTransitions"]
    for earlier, later in itertools.pairwise(transitions):
        assert earlier["EndTime"] == later["StartTime"]
    assert transitions[-1]["StartTime"] == transitions[-1]["EndTime"] == described["TrainingEndTime"]
    assert [one["StatusMessage"] for one in transitions[1:]] == [
        "Training image download completed. Training in progress.",
        "Uploading generated training model",
        "Training job completed",
    ]
    assert before - 1 < described["CreationTime"].timestamp() <= described["TrainingStartTime"].timestamp()
    assert described["LastModifiedTime"] == described["TrainingEndTime"]
    seconds = (described["TrainingEndTime"] - described["TrainingStartTime"]).total_seconds()
    assert described["TrainingTimeInSeconds"] == described["BillableTimeInSeconds"] == max(1, round(seconds))
    (metric,) = described["FinalMetricDataList"]
    assert (metric["MetricName"], metric["Value"]) == ("test:loss", 0.5)
    assert described["TrainingStartTime"] <= metric["Timestamp"] <= described["TrainingEndTime"]
    uri = described["ModelArtifacts"]["S3ModelArtifacts"]
    assert uri == f"s3://{training.bucket}/output/{name}/output/model.tar.gz"
    assert training.unpack(uri) == {"model.txt": b"weights"}
    assert training.unpack(uri.replace("model.tar.gz", "output.tar.gz")) == {"curve.csv": b"1,2"}
    assert training.log(name)[-2:] == ["Testing Loss: 0.75", "Testing Loss: 0.5"]
    assert training.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "dogs"}]


def test_describe_training_job_gives_back_what_was_asked(training: Training, unique_name: Name) -> None:
    asked: dict[str, Any] = {
        "DebugHookConfig": {
            "S3OutputPath": f"s3://{training.bucket}/debug",
            "HookParameters": {"train.save_interval": "1"},
            "CollectionConfigurations": [{"CollectionName": "gradients"}],
        },
        "DebugRuleConfigurations": [
            {"RuleConfigurationName": "LossNotDecreasing", "RuleEvaluatorImage": "rules:latest"}
        ],
        "ProfilerConfig": {"S3OutputPath": f"s3://{training.bucket}/profile", "ProfilingIntervalInMilliseconds": 500},
        "ProfilerRuleConfigurations": [{"RuleConfigurationName": "Report", "RuleEvaluatorImage": "rules:latest"}],
        "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 120},
        "RetryStrategy": {"MaximumRetryAttempts": 2},
        "Environment": {"COLOUR": "brindle"},
        "HyperParameters": {"epochs": "3"},
    }
    name = unique_name("echo")
    request = training.request(name, "import os\nprint(os.environ['COLOUR'])", **asked)
    training.sagemaker.create_training_job(**request)
    described = training.wait(name)
    assert described["TrainingJobStatus"] == "Completed"
    for key, value in request.items():
        if key not in ("OutputDataConfig", "AlgorithmSpecification"):
            assert described[key] == value, key
    assert described["OutputDataConfig"] == {"KmsKeyId": "", **request["OutputDataConfig"]}
    assert described["RoleArn"] == ROLE
    assert described["DebugRuleEvaluationStatuses"][0]["RuleEvaluationStatus"] == "Stopped"
    log = training.log(name)
    assert log[-1] == "brindle"
    for setting in ("DebugHookConfig", "ProfilerConfig", "VpcConfig", "EnableManagedSpotTraining"):
        assert any(line.startswith(f"Coldframe: {setting} is recorded but not carried out") for line in log), setting


def test_training_script_sees_the_whole_contract(training: Training, unique_name: Name) -> None:
    training.s3.put_object(Bucket=training.bucket, Key="contract/train/a/one.txt", Body=b"1")
    training.s3.put_object(Bucket=training.bucket, Key="contract/train/two.bin", Body=b"2" * 100_000)
    training.s3.put_object(Bucket=training.bucket, Key="contract/train/", Body=b"")
    script = """
import json, os, sys, helper
seen = {key: value for key, value in os.environ.items() if key.startswith(("SM_", "TRAINING_"))}
seen["argv"] = sys.argv[1:]
seen["cwd"] = os.getcwd()
seen["files"] = sorted(
    os.path.relpath(os.path.join(top, name), os.environ["SM_CHANNEL_TRAINING"])
    for top, _, names in os.walk(os.environ["SM_CHANNEL_TRAINING"]) for name in names)
config = os.environ["SM_INPUT_CONFIG_DIR"]
for name in ("hyperparameters", "inputdataconfig", "resourceconfig"):
    seen[name] = json.load(open(os.path.join(config, name + ".json")))
seen["helper"] = helper.VALUE
seen["main"] = __name__
print(json.dumps(seen))
"""
    name = unique_name("contract")
    source = training.put_source({"train.py": script, "helper.py": "VALUE = 7"})
    described = training.run(
        name,
        source=source,
        HyperParameters={"learning_rate": '"0.003"', "epochs": "3", "k": "v", "flag": "true", "plain": "text"},
        InputDataConfig=[channel("training", f"s3://{training.bucket}/contract/train")],
    )
    assert described["TrainingJobStatus"] == "Completed", (described.get("FailureReason"), training.log(name))
    assert statuses(described) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    seen = json.loads(training.log(name)[-1])
    root = seen["SM_MODEL_DIR"].removesuffix("/model")
    assert seen["argv"] == [
        *("--epochs", "3", "--flag", "True", "-k", "v"),
        *("--learning_rate", "0.003", "--plain", "text"),
    ]
    assert seen["SM_HPS"] == '{"epochs":3,"flag":true,"k":"v","learning_rate":"0.003","plain":"text"}'
    assert json.loads(seen["SM_USER_ARGS"]) == seen["argv"]
    assert (seen["SM_HP_EPOCHS"], seen["SM_HP_LEARNING_RATE"], seen["SM_HP_FLAG"]) == ("3", "0.003", "true")
    assert seen["SM_CHANNELS"] == '["training"]'
    assert seen["SM_CHANNEL_TRAINING"] == f"{root}/input/data/training"
    assert seen["files"] == ["a/one.txt", "two.bin"]
    assert seen["SM_OUTPUT_DATA_DIR"] == f"{root}/output/data"
    assert seen["SM_HOSTS"] == '["algo-1"]'
    assert (seen["SM_CURRENT_HOST"], seen["SM_NUM_GPUS"]) == ("algo-1", "0")
    assert int(seen["SM_NUM_CPUS"]) >= 1
    assert seen["SM_MODULE_DIR"] == source
    assert (seen["SM_MODULE_NAME"], seen["SM_USER_ENTRY_POINT"]) == ("train", "train.py")
    assert seen["TRAINING_JOB_NAME"] == name
    assert seen["TRAINING_JOB_ARN"] == described["TrainingJobArn"]
    assert seen["hyperparameters"]["sagemaker_program"] == '"train.py"'  # as they were sent, all of them texts
    assert seen["inputdataconfig"] == {
        "training": {
            "TrainingInputMode": "File",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
        }
    }
    assert seen["resourceconfig"]["hosts"] == ["algo-1"]
    environment = json.loads(seen["SM_TRAINING_ENV"])
    assert environment["channel_input_dirs"] == {"training": f"{root}/input/data/training"}
    assert environment["hyperparameters"]["epochs"] == 3
    assert (seen["cwd"], seen["helper"], seen["main"]) == (f"{root}/code", 7, "__main__")


def test_training_script_with_worker_processes(training: Training, unique_name: Name) -> None:
    """As a DataLoader has them, with classes of the script's own that are pickled."""
    script = """
import multiprocessing, pickle

class Sample:
    def __init__(self, value):
        self.value = value

def square(sample):
    return Sample(sample.value ** 2)

if __name__ == "__main__":
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            print(method, [one.value for one in pool.map(square, [Sample(2), Sample(3)])])
    print(pickle.loads(pickle.dumps(Sample(5))).value)
"""
    name = unique_name("processes")
    described = training.run(name, script)
    assert described["TrainingJobStatus"] == "Completed", (described.get("FailureReason"), training.log(name))
    assert training.log(name)[-3:] == ["fork [4, 9]", "spawn [4, 9]", "5"]


def test_training_script_ends_with_its_threads(training: Training, unique_name: Name) -> None:
    script = """
import atexit, threading, time
VALUE = "still here"
def late():
    time.sleep(0.2)
    print("thread", VALUE)
atexit.register(lambda: print("exit", VALUE))
threading.Thread(target=late).start()
"""
    name = unique_name("threads")
    assert training.run(name, script)["TrainingJobStatus"] == "Completed"
    assert training.printed(name) == ["thread still here", "exit still here"]


PACKAGE = "import os, sys\nprint('ran', *sys.argv[1:], os.environ['SM_CURRENT_HOST'])"


@pytest.mark.parametrize(
    ("program", "files"),
    [
        ("run.sh", {"run.sh": 'echo "ran $1 $2 $SM_CURRENT_HOST"'}),
        ("package", {"package/__init__.py": "", "package/__main__.py": PACKAGE}),
    ],
)
def test_training_program_that_is_no_script(
    training: Training, unique_name: Name, program: str, files: dict[str, str]
) -> None:
    name = unique_name("program")
    source = training.put_source(files)
    described = training.run(name, source=source, HyperParameters={"sagemaker_program": program, "epochs": "3"})
    assert described["TrainingJobStatus"] == "Completed", (described.get("FailureReason"), training.log(name))
    assert training.printed(name) == ["ran --epochs 3 algo-1"]


def test_create_training_job_with_a_command(training: Training, unique_name: Name) -> None:
    request = training.request(unique_name("command"), "pass")
    request["HyperParameters"] = {"epochs": "3"}
    request["AlgorithmSpecification"] |= {
        "ContainerEntrypoint": ["/bin/bash"],
        "ContainerArguments": ["-c", "cat $COLDFRAME_ML_ROOT/input/config/hyperparameters.json; exit 3"],
    }
    training.sagemaker.create_training_job(**request)
    described = training.wait(request["TrainingJobName"])
    assert described["FailureReason"].endswith(", exit code: 3")
    assert training.printed(request["TrainingJobName"]) == ['{"epochs": "3"}']


def test_create_training_job_as_version_3_of_the_sdk_does(training: Training, unique_name: Name) -> None:
    """A driver in a channel, made executable by the command, which names it by its path below /opt/ml."""
    driver = "#!/bin/bash\nset -e\ncd /opt/ml/input/data/code\npython3 train.py\necho done > /opt/ml/model/w\n"
    training.s3.put_object(Bucket=training.bucket, Key="v3/sm_drivers/sm_train.sh", Body=driver.encode())
    training.s3.put_object(Bucket=training.bucket, Key="v3/code/train.py", Body=b"import os\nprint(os.getcwd())")
    request = training.request(unique_name("v3"), "pass")
    del request["HyperParameters"]
    path = "/opt/ml/input/data/sm_drivers/sm_train.sh"
    request["AlgorithmSpecification"] |= {
        "ContainerEntrypoint": ["/bin/bash"],
        "ContainerArguments": ["-c", f"chmod +x {path} && {path}"],
    }
    request["InputDataConfig"] = [
        channel(name, f"s3://{training.bucket}/v3/{name}/") for name in ("code", "sm_drivers")
    ]
    training.sagemaker.create_training_job(**request)
    described = training.wait(request["TrainingJobName"])
    if "isolation none" in training.log(request["TrainingJobName"])[0]:
        pytest.skip("only namespaces give a job its own /opt/ml")
    assert described["TrainingJobStatus"] == "Completed", training.log(request["TrainingJobName"])
    assert training.printed(request["TrainingJobName"]) == ["/opt/ml/input/data/code"]
    assert training.unpack(described["ModelArtifacts"]["S3ModelArtifacts"]) == {"w": b"done\n"}


def test_create_training_job_with_a_name_in_use(training: Training, unique_name: Name) -> None:
    request = training.request(unique_name("twice"), "pass")
    arn = training.sagemaker.create_training_job(**request)["TrainingJobArn"]
    with pytest.raises(ClientError) as caught:
        training.sagemaker.create_training_job(**request)
    assert caught.value.response["Error"] == {
        "Code": "ResourceInUse",
        "Message": "Training job names must be unique within an AWS account and region, and a training job with this "
        f"name already exists ({arn})",
    }
    training.wait(request["TrainingJobName"])


def test_delete_training_job_then_its_name_is_free(training: Training, unique_name: Name) -> None:
    name = unique_name("again")
    request = training.request(name, "import time\ntime.sleep(1)", Tags=[{"Key": "a", "Value": "b"}])
    arn = training.sagemaker.create_training_job(**request)["TrainingJobArn"]
    with pytest.raises(ClientError, match="ResourceInUse"):
        training.sagemaker.delete_training_job(TrainingJobName=name)
    training.wait(name)
    training.sagemaker.delete_training_job(TrainingJobName=name)
    with pytest.raises(ClientError, match="Requested resource not found"):
        training.describe(name)
    assert training.run(name, "pass")["TrainingJobStatus"] == "Completed"
    assert training.sagemaker.list_tags(ResourceArn=arn)["Tags"] == []


def test_uncompressed_artifacts(training: Training, unique_name: Name) -> None:
    name = unique_name("plain")
    output = {"S3OutputPath": f"s3://{training.bucket}/plain/", "CompressionType": "NONE"}
    script = """
import os
os.makedirs("../model/a")
open("../model/a/w.bin", "w").write("x")
open("../output/data/o", "w").write("y")
"""
    described = training.run(name, script, OutputDataConfig=output)
    assert described["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{training.bucket}/plain/{name}/output/model/"
    assert training.keys(f"plain/{name}/") == [f"plain/{name}/output/data/o", f"plain/{name}/output/model/a/w.bin"]


def test_checkpoints_are_there_at_the_start_and_kept_at_the_end(training: Training, unique_name: Name) -> None:
    name = unique_name("checkpoints")
    prefix = f"{name}/checkpoints"
    for key in ("old.txt", "gone.txt"):
        training.s3.put_object(Bucket=training.bucket, Key=f"{prefix}/{key}", Body=b"old")
    script = """
import os
folder = os.path.dirname(os.environ["SM_MODEL_DIR"]) + "/checkpoints"
print(sorted(os.listdir(folder)))
os.remove(folder + "/gone.txt")
with open(folder + "/old.txt", "a") as file:
    file.write(" and new")
os.makedirs(folder + "/epoch-2")
open(folder + "/epoch-2/w.pt", "w").write("w")
"""
    described = training.run(name, script, CheckpointConfig={"S3Uri": f"s3://{training.bucket}/{prefix}"})
    assert described["TrainingJobStatus"] == "Completed", training.log(name)
    assert training.log(name)[-1] == "['gone.txt', 'old.txt']"
    assert training.keys(prefix) == [f"{prefix}/epoch-2/w.pt", f"{prefix}/old.txt"]
    changed = training.s3.get_object(Bucket=training.bucket, Key=f"{prefix}/old.txt")["Body"].read()
    assert changed == b"old and new"


@pytest.mark.parametrize("mode", ["File", "FastFile"])
def test_a_job_cannot_change_what_is_stored(training: Training, unique_name: Name, mode: str) -> None:
    key = f"{unique_name('input')}/big.bin"
    content = b"stored" * 10_000
    training.s3.put_object(Bucket=training.bucket, Key=key, Body=content)
    script = """
import os
path = os.environ["SM_CHANNEL_DATA"] + "/big.bin"
try:
    with open(path, "r+b") as file:
        file.write(b"damage")
    os.truncate(path, 3)
except OSError as error:
    print(type(error).__name__)
"""
    name = unique_name("input")
    described = training.run(
        name, script, InputDataConfig=[channel("data", f"s3://{training.bucket}/{key}", InputMode=mode)]
    )
    assert described["TrainingJobStatus"] == "Completed", training.log(name)
    assert training.s3.get_object(Bucket=training.bucket, Key=key)["Body"].read() == content
    assert ("Downloading" in statuses(described)) == (mode == "File")


def test_input_from_a_manifest_and_by_parts_of_names(training: Training, unique_name: Name) -> None:
    for key in ("dogs/a.txt", "dogs/b.txt", "dogs/c.txt", "doggy.txt"):
        training.s3.put_object(Bucket=training.bucket, Key=f"m/{key}", Body=b"x")
    manifest = json.dumps([{"prefix": f"s3://{training.bucket}/m/"}, "dogs/a.txt", "dogs/c.txt"])
    training.s3.put_object(Bucket=training.bucket, Key="m/manifest", Body=manifest.encode())
    script = """
import os
for name in ("manifest", "part", "single"):
    folder = os.environ["SM_CHANNEL_" + name.upper()]
    paths = [os.path.join(top, file) for top, _, files in os.walk(folder) for file in files]
    print(name, sorted(os.path.relpath(path, folder) for path in paths))
"""
    name = unique_name("manifest")
    training.run(
        name,
        script,
        InputDataConfig=[
            channel("manifest", f"s3://{training.bucket}/m/manifest", source={"S3DataType": "ManifestFile"}),
            channel("part", f"s3://{training.bucket}/m/dog", source={"S3DataDistributionType": "ShardedByS3Key"}),
            channel("single", f"s3://{training.bucket}/m/dogs/b.txt"),
        ],
    )
    assert training.log(name)[-3:] == [
        "manifest ['dogs/a.txt', 'dogs/c.txt']",
        "part ['doggy.txt', 'dogs/a.txt', 'dogs/b.txt', 'dogs/c.txt']",
        "single ['b.txt']",
    ]
