"""The example in the README does what it says, typed in as it stands there."""

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

from servers import clean_environment

README = Path(__file__).parents[2] / "README.md"
TRAIN = """
import os, pathlib
rows = pathlib.Path(os.environ["SM_CHANNEL_TRAINING"], "breeds.csv").read_text().split()
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text(str(len(rows)))
"""


def test_readme_example_trains_a_model(own_server, tmp_path):
    server = own_server().start()
    example = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)[1]
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "breeds.csv").write_text("beagle\npug\nboxer\n")
    command = [sys.executable, "-m", "coldframe", "run", "--data-dir", str(server.data_directory), "--", sys.executable]
    done = subprocess.run(
        [*command, "-c", example],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        env=clean_environment(PATH=os.environ["PATH"]),
        check=False,
    )
    assert done.returncode == 0, done.stderr + server.log()
    bucket, _, key = done.stdout.strip().removeprefix("s3://").partition("/")
    server.client("s3").download_file(bucket, key, str(tmp_path / "model.tar.gz"))
    with tarfile.open(tmp_path / "model.tar.gz") as archive:
        assert archive.extractfile("model.txt").read() == b"3"
