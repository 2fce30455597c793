"""The fields of KubeRay's RayCluster and RayJob that docker/kubernetes uses; any other name is an error.

Restated from "KubeRay CRD API reference" (ray.io/v1, KubeRay 1.6) in Ray's documentation. Pod templates are Kubernetes'
own and are held against its schema.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Template = dict[str, Any]


class Strict(BaseModel):
    """No conversion of numbers to text or back, no unknown field."""

    model_config = ConfigDict(extra="forbid", strict=True)


class AuthOptions(Strict):
    mode: Literal["disabled", "token"]


class HeadGroup(Strict):
    rayStartParams: dict[str, str]
    template: Template


class WorkerGroup(Strict):
    groupName: str
    replicas: Annotated[int, Field(ge=0)]
    minReplicas: Annotated[int, Field(ge=0)]
    maxReplicas: Annotated[int, Field(ge=0)]
    rayStartParams: dict[str, str]
    template: Template

    @model_validator(mode="after")
    def replicas_in_bounds(self) -> Self:
        assert self.minReplicas <= self.replicas <= self.maxReplicas
        return self


class RayClusterSpec(Strict):
    rayVersion: str
    authOptions: AuthOptions
    headGroupSpec: HeadGroup
    workerGroupSpecs: list[WorkerGroup]


class RayJobSpec(Strict):
    clusterSelector: dict[str, str]
    submissionMode: Literal["K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"]
    entrypoint: str
    shutdownAfterJobFinishes: Literal[False]  # a job that selects a cluster must not take it down


class RayCluster(Strict):
    apiVersion: Literal["ray.io/v1"]
    kind: Literal["RayCluster"]
    metadata: dict[str, str]
    spec: RayClusterSpec


class RayJob(Strict):
    apiVersion: Literal["ray.io/v1"]
    kind: Literal["RayJob"]
    metadata: dict[str, str]
    spec: RayJobSpec
