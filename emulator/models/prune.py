#!/usr/bin/env python3
"""Cuts the official service models down to the operations that the emulator serves.

Usage: python3 prune.py   (needs the Python package botocore; writes *.json beside this file)

A cut model keeps botocore's own layout of service-2.json, without documentation, so that it can be
compared with its source. What is served is listed here and nowhere else.
"""
import gzip
import json
import pathlib

import botocore

SERVED = {
    "cloudwatch": """PutMetricAlarm DescribeAlarms DeleteAlarms SetAlarmState
        PutMetricData GetMetricData ListMetrics""",
    "dynamodb": """CreateTable DescribeTable DeleteTable ListTables
        PutItem GetItem UpdateItem DeleteItem""",
    "ecs": """CreateCluster DescribeClusters ListClusters DeleteCluster
        RegisterTaskDefinition DescribeTaskDefinition DeregisterTaskDefinition DeleteTaskDefinitions
        ListTaskDefinitions ListTaskDefinitionFamilies
        CreateService UpdateService DeleteService DescribeServices ListServices
        RunTask StopTask DescribeTasks ListTasks
        TagResource UntagResource ListTagsForResource""",
    "elbv2": """CreateLoadBalancer DescribeLoadBalancers DeleteLoadBalancer
        DescribeLoadBalancerAttributes ModifyLoadBalancerAttributes
        CreateTargetGroup DescribeTargetGroups ModifyTargetGroup DeleteTargetGroup
        DescribeTargetGroupAttributes ModifyTargetGroupAttributes
        CreateListener DescribeListeners ModifyListener DeleteListener
        CreateRule DescribeRules ModifyRule DeleteRule SetRulePriorities
        RegisterTargets DeregisterTargets DescribeTargetHealth
        AddTags RemoveTags DescribeTags""",
    "lambda": "Invoke",
    "ssm": """PutParameter GetParameter GetParameters GetParametersByPath DeleteParameter DeleteParameters
        GetParameterHistory DescribeParameters LabelParameterVersion
        AddTagsToResource ListTagsForResource RemoveTagsFromResource""",
    "application-autoscaling": """RegisterScalableTarget DescribeScalableTargets DeregisterScalableTarget
        PutScalingPolicy DescribeScalingPolicies DeleteScalingPolicy
        PutScheduledAction DescribeScheduledActions DeleteScheduledAction""",
    "sts": "GetCallerIdentity",
}

METADATA = {
    "apiVersion", "awsQueryCompatible", "jsonVersion", "protocols", "targetPrefix", "xmlNamespace", "endpointPrefix",
    "signingName",
}
SHAPE = {
    "type", "members", "required", "member", "key", "value", "enum", "min", "max", "pattern", "flattened",
    "document", "exception", "fault", "error", "timestampFormat", "locationName", "payload",
}
REFERENCE = {"shape", "location", "locationName", "flattened", "timestampFormat"}


def keep(table, names):
    """The entries of `table` that are called one of `names`, in their own order."""
    return {name: value for name, value in table.items() if name in names}


def cut_shape(shape):
    """One shape without what the codec does not read."""
    shape = keep(shape, SHAPE)
    if "members" in shape:
        shape["members"] = {name: keep(member, REFERENCE) for name, member in shape["members"].items()}
    for part in ("member", "key", "value"):
        if part in shape:
            shape[part] = keep(shape[part], REFERENCE)
    return shape


def reach(shapes, name, found):
    """Adds to `found` every shape that `name` leads to."""
    if name in found:
        return
    found[name] = cut_shape(shapes[name])
    shape = found[name]
    for reference in [*shape.get("members", {}).values(), *(shape[p] for p in ("member", "key", "value") if p in shape)]:
        reach(shapes, reference["shape"], found)


def cut(model, names):
    """A whole model with only the operations `names`."""
    operations, shapes = {}, {}
    for name in sorted(names):
        source = model["operations"][name]
        operation = keep(source, {"name", "input", "output", "errors"})
        if source["http"]["requestUri"] != "/":
            operation["http"] = keep(source["http"], {"method", "requestUri"})
        operation["errors"] = [error["shape"] for error in source.get("errors", [])]
        for side in ("input", "output"):
            if side in operation:
                operation[side] = keep(operation[side], {"shape", "resultWrapper"})
                reach(model["shapes"], operation[side]["shape"], shapes)
        for error in operation["errors"]:
            reach(model["shapes"], error, shapes)
        operations[name] = operation
    return {
        "metadata": keep(model["metadata"], METADATA),
        "operations": operations,
        "shapes": dict(sorted(shapes.items())),
    }


def main():
    """Writes one cut model a service."""
    here = pathlib.Path(__file__).parent
    data = pathlib.Path(botocore.__file__).parent / "data"
    print("botocore", botocore.__version__)
    for service, names in SERVED.items():
        version = max(path.name for path in (data / service).iterdir())
        with gzip.open(data / service / version / "service-2.json.gz") as source:
            model = cut(json.load(source), names.split())
        target = here / f"{service}.json"
        target.write_text(json.dumps(model, separators=(",", ":")).replace('},"', '},\n"') + "\n")
        print(f"{target.name}: {len(model['operations'])} operations, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
