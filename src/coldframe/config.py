"""Every setting, explained once, read once; flags, environment, file and docs come from here."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

DEFAULT_DATA_DIRECTORY = Path("~/.coldframe")
DEFAULT_PORT = 4599


class Config(BaseSettings):
    """How one Coldframe server behaves. It does not change while the server runs.

    Taken, first match first, from command-line flags, from environment variables (`COLDFRAME_PORT=...`), and from
    `coldframe.toml` in the working directory.
    """

    model_config = SettingsConfigDict(env_prefix="COLDFRAME_", toml_file="coldframe.toml", frozen=True, extra="forbid")

    data_directory: Path = Field(DEFAULT_DATA_DIRECTORY, description="Where everything that must survive is kept.")
    host: str = Field("127.0.0.1", description="The address to listen on; others can reach any but loopback.")
    port: int = Field(DEFAULT_PORT, ge=0, le=65535, description="The TCP port to listen on; 0 takes any free one.")
    account_id: str = Field("000000000000", pattern=r"^\d{12}$", description="The AWS account that this server plays.")
    region: str = Field(
        "us-east-1", pattern=r"^[a-z]{2}(-[a-z]+)+-\d$", description="The AWS region that this server plays."
    )
    database_url: str = Field("", description="An SQLAlchemy URL; empty means SQLite in the data directory.")
    inline_object_bytes: int = Field(
        8192, ge=0, description="Objects up to this size are kept in the database, larger ones as files of their own."
    )
    json_body_bytes: int = Field(
        16 * 1024 * 1024, ge=1024, description="The longest request body that is read into memory before it is parsed."
    )
    preload_modules: str = Field(
        "torch,numpy",
        description="Modules that the warm template process loads, where they are installed, before it forks workers.",
    )
    isolation: str = Field(
        "auto",
        pattern="^(auto|namespaces|none)$",
        description="How workers are kept apart: kernel namespaces, none, or whichever this machine allows.",
    )
    worker_memory_bytes: int = Field(
        0, ge=0, description="The most memory that one worker may take; 0 means what the machine has, less a reserve."
    )
    stop_grace_seconds: float = Field(
        120.0, ge=0, description="How long a stopped job may go on after SIGTERM. AWS gives 120 s."
    )
    training_jobs_at_once: int = Field(
        0, ge=0, description="How many training jobs run at the same time; 0 means twice the number of cores."
    )
    checkpoint_seconds: float = Field(
        10.0, gt=0, description="How often new checkpoints of a running training job are copied to their bucket."
    )
    keep_failed_job_directories: bool = Field(
        False, description="Keep the working directory of a job that failed, to look into it."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is the library's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags before environment before file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def directory(self) -> Path:
        """The data directory as an absolute path."""
        return self.data_directory.expanduser().absolute()
