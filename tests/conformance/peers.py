"""One staged script against moto and the emulator; every difference must stand explained in docs/conformance.md.

Usage: peers.py ENDPOINT            (an empty account in which nothing happens by itself while the script runs)
       peers.py ENDPOINT --write    writes the table anew; explanations of rows that stay are kept

A row of the table is one difference: where (an operation that ends differently, or a member of a structure, whatever
operation answered with it), what moto says, what the emulator says, why. A difference without a row fails, and so does a
row without its difference or without an explanation.
"""

import re
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import boto3
from botocore.exceptions import ClientError
from moto import mock_aws

from clients import REGION, clients

PAGE = Path(__file__).resolve().parent.parent.parent / "docs/conformance.md"
# The emulator's own network: VPC, subnets, and any security group.
NETWORK = ("vpc-0e0e0e0e0e0e0e0e0", ["subnet-0a0a0a0a0a0a0a0a0", "subnet-0b0b0b0b0b0b0b0b0"], "sg-0a0a0a0a0a0a0a0a0")
LONGEST = 60


class Script:
    """Calls on one peer, and what came of each."""

    def __init__(self, aws):
        self.aws, self.outcomes = aws, []

    def __call__(self, service, operation, /, **arguments):
        client = self.aws[service]
        method = client.meta.method_to_api_mapping
        name = next(python for python, api in method.items() if api == operation)
        shape = client.meta.service_model.operation_model(operation).output_shape
        try:
            answer = getattr(client, name)(**arguments)
            answer.pop("ResponseMetadata")
            self.outcomes.append((operation, shape, answer))
            return answer
        except ClientError as error:
            told = error.response["Error"]
            self.outcomes.append((operation, None, f"{told['Code']}: {told['Message'] or '(no words)'}"))
            return {}


def nobodys(arn):
    """A well-formed ARN that nothing has: ids are random, and one in sixteen ends with any digit."""
    return arn[:-1] + ("1" if arn.endswith("0") else "0")


def play(aws, vpc, subnets, security_group):
    """A release by hand, and the mistakes one can make at it."""
    call = Script(aws)
    call("sts", "GetCallerIdentity")

    put = dict(Name="/blog/desired", Type="String", Value="1.3.0")
    call("ssm", "PutParameter", **put)
    call("ssm", "PutParameter", **put)
    call("ssm", "PutParameter", **put | {"Value": "1.4.0"}, Overwrite=True)
    for name in ("/blog/desired", "/blog/desired:1", "/blog/desired:7", "/none"):
        call("ssm", "GetParameter", Name=name)
    call("ssm", "GetParameters", Names=["/blog/desired", "/none"])
    call("ssm", "GetParametersByPath", Path="/blog")
    call("ssm", "GetParameterHistory", Name="/blog/desired")
    call("ssm", "LabelParameterVersion", Name="/blog/desired", ParameterVersion=1, Labels=["good"])
    call("ssm", "GetParameter", Name="/blog/desired:good")
    call("ssm", "DescribeParameters")
    call("ssm", "AddTagsToResource", ResourceType="Parameter", ResourceId="/blog/desired", Tags=[{"Key": "a", "Value": "b"}])
    call("ssm", "ListTagsForResource", ResourceType="Parameter", ResourceId="/blog/desired")
    call("ssm", "RemoveTagsFromResource", ResourceType="Parameter", ResourceId="/blog/desired", TagKeys=["a"])

    balancer = call("elbv2", "CreateLoadBalancer", Name="blog", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    call("elbv2", "DescribeLoadBalancers", Names=["none"])
    call("elbv2", "DescribeLoadBalancerAttributes", LoadBalancerArn=balancer)
    call("elbv2", "ModifyLoadBalancerAttributes", LoadBalancerArn=balancer, Attributes=[{"Key": "idle_timeout.timeout_seconds", "Value": "30"}])
    group = dict(Protocol="HTTP", Port=8080, VpcId=vpc, TargetType="ip")
    groups = [call("elbv2", "CreateTargetGroup", Name=f"blog-{side}", **group)["TargetGroups"][0]["TargetGroupArn"] for side in "ab"]
    call("elbv2", "CreateTargetGroup", Name="blog-a", **group)
    call("elbv2", "CreateTargetGroup", Name="blog-a", **group | {"Port": 81})
    call("elbv2", "ModifyTargetGroup", TargetGroupArn=groups[0], HealthCheckPath="/health")
    call("elbv2", "DescribeTargetGroupAttributes", TargetGroupArn=groups[0])
    delay = [{"Key": "deregistration_delay.timeout_seconds", "Value": "10"}]
    call("elbv2", "ModifyTargetGroupAttributes", TargetGroupArn=groups[0], Attributes=delay)
    target = [{"Id": "10.0.0.9", "Port": 8080}]
    call("elbv2", "RegisterTargets", TargetGroupArn=groups[1], Targets=target)
    call("elbv2", "DescribeTargetHealth", TargetGroupArn=groups[1])
    call("elbv2", "DeregisterTargets", TargetGroupArn=groups[1], Targets=target)
    call("elbv2", "DescribeTargetHealth", TargetGroupArn=groups[1])

    call("ecs", "CreateCluster", clusterName="prod")
    call("ecs", "DescribeClusters", clusters=["prod", "none"])
    call("ecs", "ListClusters")
    web = {"name": "web", "image": "blog:1", "portMappings": [{"containerPort": 8080}]}
    definition = dict(family="blog", networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512", containerDefinitions=[web])
    for _ in range(2):
        call("ecs", "RegisterTaskDefinition", **definition)
    call("ecs", "RegisterTaskDefinition", **definition | {"family": "odd", "memory": "1"})
    call("ecs", "DescribeTaskDefinition", taskDefinition="blog")
    call("ecs", "DescribeTaskDefinition", taskDefinition="none")
    call("ecs", "DeregisterTaskDefinition", taskDefinition="blog:2")
    call("ecs", "DescribeTaskDefinition", taskDefinition="blog:2")
    call("ecs", "ListTaskDefinitions", familyPrefix="blog")
    call("ecs", "ListTaskDefinitionFamilies", familyPrefix="blog")
    network = {"awsvpcConfiguration": {"subnets": subnets, "securityGroups": [security_group]}}
    wanted = dict(
        cluster="prod", serviceName="blog-1", taskDefinition="blog:1", desiredCount=2, launchType="FARGATE", networkConfiguration=network,
        loadBalancers=[{"targetGroupArn": groups[0], "containerName": "web", "containerPort": 8080}], tags=[{"key": "a", "value": "b"}],
    )
    early = wanted | {"loadBalancers": [wanted["loadBalancers"][0] | {"targetGroupArn": groups[1]}], "serviceName": "early"}
    call("ecs", "CreateService", **early)  # no listener forwards to the group yet
    call("ecs", "DeleteService", cluster="prod", service="early", force=True)  # moto has made it

    def forward(*pairs):
        return [{"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in pairs]}}]

    listen = dict(LoadBalancerArn=balancer, Protocol="HTTP", Port=80)
    made = call("elbv2", "CreateListener", **listen, DefaultActions=forward((groups[0], 100), (groups[1], 0)))
    listener = made["Listeners"][0]["ListenerArn"]
    call("elbv2", "ModifyListener", ListenerArn=listener, DefaultActions=forward((groups[0], 1), (groups[1], 0)))
    call("elbv2", "DescribeListeners", LoadBalancerArn=balancer)
    call("elbv2", "DescribeListeners", ListenerArns=[nobodys(listener)])
    beta = [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/beta/*"]}}]
    made = call("elbv2", "CreateRule", ListenerArn=listener, Priority=10, Conditions=beta, Actions=forward((groups[1], 1)))
    rule = made["Rules"][0]["RuleArn"]
    call("elbv2", "CreateRule", ListenerArn=listener, Priority=10, Conditions=beta, Actions=forward((groups[1], 1)))
    call("elbv2", "ModifyRule", RuleArn=rule, Actions=forward((groups[0], 70), (groups[1], 30)))
    rules = call("elbv2", "DescribeRules", ListenerArn=listener)["Rules"]
    call("elbv2", "ModifyRule", RuleArn=rules[-1]["RuleArn"], Actions=forward((groups[0], 1)))
    call("elbv2", "SetRulePriorities", RulePriorities=[{"RuleArn": rule, "Priority": 20}])
    call("elbv2", "DescribeRules", RuleArns=[nobodys(rule)])
    call("elbv2", "AddTags", ResourceArns=[groups[0]], Tags=[{"Key": "a", "Value": "b"}])
    call("elbv2", "DescribeTags", ResourceArns=[groups[0]])
    call("elbv2", "RemoveTags", ResourceArns=[groups[0]], TagKeys=["a"])
    call("elbv2", "DescribeTargetGroups", TargetGroupArns=groups)
    call("elbv2", "DeleteTargetGroup", TargetGroupArn=groups[0])

    call("ecs", "CreateService", **wanted)
    call("ecs", "CreateService", **wanted | {"serviceName": "blog-2", "cluster": "none"})
    services = call("ecs", "DescribeServices", cluster="prod", services=["blog-1", "none"], include=["TAGS"])
    arn = services["services"][0]["serviceArn"]
    call("ecs", "DescribeServices", cluster="prod", services=[f"s{n}" for n in range(11)])
    call("ecs", "ListServices", cluster="prod")
    call("ecs", "TagResource", resourceArn=arn, tags=[{"key": "c", "value": "d"}])
    call("ecs", "ListTagsForResource", resourceArn=arn)
    call("ecs", "UntagResource", resourceArn=arn, tagKeys=["a"])
    call("ecs", "UpdateService", cluster="prod", service="none", desiredCount=1)
    call("ecs", "ListTasks", cluster="prod", serviceName="blog-1")
    call("ecs", "DescribeTasks", cluster="prod", tasks=["0" * 32])
    call("elbv2", "DescribeTargetHealth", TargetGroupArn=groups[0])

    scaled = dict(ServiceNamespace="ecs", ResourceId="service/prod/blog-1", ScalableDimension="ecs:service:DesiredCount")
    call("application-autoscaling", "DeregisterScalableTarget", **scaled)
    call("application-autoscaling", "RegisterScalableTarget", **scaled, MinCapacity=1, MaxCapacity=4)
    call("application-autoscaling", "DescribeScalableTargets", ServiceNamespace="ecs")
    tracking = {"TargetValue": 50.0, "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}}
    call("application-autoscaling", "PutScalingPolicy", **scaled, PolicyName="cpu", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=tracking)
    call("application-autoscaling", "DescribeScalingPolicies", ServiceNamespace="ecs")
    call("application-autoscaling", "DeleteScalingPolicy", **scaled, PolicyName="cpu")
    call("application-autoscaling", "DeregisterScalableTarget", **scaled)

    metric = dict(Namespace="Shop", MetricName="Errors", Dimensions=[{"Name": "App", "Value": "blog"}])
    # Nothing is ever put into the metric that the alarm watches, so that it stays as it is set.
    watch = dict(
        AlarmName="blog-errors", **metric | {"MetricName": "Silent"}, Statistic="Sum", Period=60, EvaluationPeriods=3, DatapointsToAlarm=2,
        Threshold=1.0, ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore",
    )
    call("cloudwatch", "PutMetricAlarm", **watch)
    call("cloudwatch", "DescribeAlarms", AlarmNames=["blog-errors", "none"])
    call("cloudwatch", "SetAlarmState", AlarmName="blog-errors", StateValue="ALARM", StateReason="drill", StateReasonData="{}")
    call("cloudwatch", "SetAlarmState", AlarmName="none", StateValue="ALARM", StateReason="drill")
    call("cloudwatch", "SetAlarmState", AlarmName="blog-errors", StateValue="OK", StateReason="drill", StateReasonData="{")
    call("cloudwatch", "PutMetricAlarm", **watch | {"Threshold": 2.0, "AlarmDescription": "too many"})
    call("cloudwatch", "DescribeAlarms", AlarmNamePrefix="blog-", StateValue="ALARM")
    for mistake in ({"Period": 61}, {"EvaluationPeriods": 1}, {"EvaluationPeriods": 1441}, {"TreatMissingData": "fine"}, {"ComparisonOperator": "LessThanLowerThreshold"}):
        call("cloudwatch", "PutMetricAlarm", **watch | mistake | {"AlarmName": "odd"})
    call("cloudwatch", "DeleteAlarms", AlarmNames=["blog-errors", "none"])
    item = dict(MetricName="Errors", Dimensions=metric["Dimensions"])
    call("cloudwatch", "PutMetricData", Namespace="Shop", MetricData=[item | {"Values": [1.0, 3.0], "Counts": [3.0, 1.0]}, item | {"Value": 9.0}])
    call("cloudwatch", "PutMetricData", Namespace="Shop", MetricData=[item | {"MetricName": "Time", "StatisticValues": {"SampleCount": 4.0, "Sum": 10.0, "Minimum": 1.0, "Maximum": 5.0}}])
    call("cloudwatch", "PutMetricData", Namespace="AWS/ECS", MetricData=[item | {"Value": 1.0}])
    call("cloudwatch", "PutMetricData", Namespace="Shop", MetricData=[item])
    call("cloudwatch", "PutMetricData", Namespace="Shop", MetricData=[item | {"Value": 1.0, "Values": [1.0]}])
    call("cloudwatch", "PutMetricData", Namespace="Shop", MetricData=[item | {"Value": 1.0, "Timestamp": datetime(2020, 1, 1)}])
    now = datetime.now(timezone.utc)
    span = dict(StartTime=now - timedelta(days=1), EndTime=now + timedelta(days=1))
    for stat in ("Sum", "SampleCount", "Average", "Minimum", "Maximum"):  # percentiles break moto
        query = {"Id": "m1", "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}}
        call("cloudwatch", "GetMetricData", MetricDataQueries=[query], **span)
    call("cloudwatch", "GetMetricData", MetricDataQueries=[query | {"Id": "M1"}], **span)
    call("cloudwatch", "GetMetricData", MetricDataQueries=[query, query], **span)
    call("cloudwatch", "GetMetricData", MetricDataQueries=[{"Id": "e1", "Expression": "1 / 2"}], **span)
    call("cloudwatch", "GetMetricData", MetricDataQueries=[query], StartTime=now, EndTime=now)
    call("cloudwatch", "ListMetrics", Namespace="Shop", MetricName="Errors")

    call("ecs", "DeleteService", cluster="prod", service="blog-1")  # it is not scaled to 0
    call("ecs", "UpdateService", cluster="prod", service="blog-1", desiredCount=0)
    call("ecs", "DeleteService", cluster="prod", service="blog-1")
    call("ecs", "ListServices", cluster="prod")
    call("ecs", "DeleteService", cluster="prod", service="none")
    for changed in ({"desiredCount": 3}, {"serviceName": "blog-2", "taskDefinition": "blog:2"}):
        call("ecs", "CreateService", **wanted | changed)
    call("ecs", "DeleteTaskDefinitions", taskDefinitions=["blog:1", "blog:2"])

    for mistake in (
        dict(Priority=50001, Actions=forward((groups[1], 1))),
        dict(Priority=11, Actions=forward(*[(groups[0], 1)] * 6)),
        dict(Priority=12, Actions=forward((groups[0], 1000))),
        dict(Priority=13, Actions=forward((nobodys(groups[0]), 1))),
    ):
        call("elbv2", "CreateRule", ListenerArn=listener, Conditions=beta, **mistake)
    call("elbv2", "CreateListener", **listen, DefaultActions=forward((groups[1], 1)))
    call("elbv2", "DeleteRule", RuleArn=rule)
    call("elbv2", "DeleteRule", RuleArn=rule)
    call("elbv2", "DeleteListener", ListenerArn=listener)
    call("elbv2", "DeleteTargetGroup", TargetGroupArn=groups[0])
    call("elbv2", "DeleteLoadBalancer", LoadBalancerArn=balancer)
    call("ssm", "PutParameter", Name="/long", Type="String", Value="x" * 4097)
    call("ssm", "PutParameter", Name="/odd", Type="String", Value="odd", AllowedPattern="^even$")
    call("ssm", "DeleteParameter", Name="/none")
    call("ssm", "DeleteParameters", Names=["/blog/desired", "/none"])
    return call.outcomes


# What no two accounts have in common.
SAME = [
    (r"subnet-[0-9a-f]+", "subnet-ID"), (r"vpc-[0-9a-f]+", "vpc-ID"), (r"sg-[0-9a-z]+", "sg-ID"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "UUID"), (r"\b[0-9a-f]{16,32}\b", "ID"),
    (r"ecs-svc/\d+", "ecs-svc/ID"), (r"eu-west-1[a-c]", "eu-west-1Z"), (r"123456789012", "ACCOUNT"), (r"\b\d{4}-\d\d-\d\dT?.*", "TIME"),
]


def plain(value):
    text = "true" if value is True else "false" if value is False else str(value)
    if hasattr(value, "isoformat"):
        return "TIME"
    for pattern, name in SAME:
        text = re.sub(pattern, name, text)
    return text.replace("|", "/").replace("\n", " ")


def leaves(shape, value, at=""):
    """`(structure.member, value)` of everything in an answer."""
    if shape is None:
        return
    if shape.type_name == "structure" and set(shape.members) == {"Key", "Value"} and "Key" in value:
        yield f"{shape.name}[{value['Key']}]", plain(value.get("Value", ""))
    elif shape.type_name == "structure" and value:
        for name, member in value.items():
            yield from leaves(shape.members[name], member, f"{shape.name}.{name}")
    elif shape.type_name == "list" and value:
        for item in value:
            yield from leaves(shape.member, item, at)
    else:
        yield at, plain(value)


def differences(moto, emulator):
    """The rows: where, moto, emulator."""
    rows = set()
    assert len(moto) == len(emulator)
    for (operation, shape, ours), (_, _, theirs) in zip(emulator, moto):
        if isinstance(ours, str) or isinstance(theirs, str):
            said = [plain(one) if isinstance(one, str) else "ok" for one in (theirs, ours)]
            if said[0] != said[1]:
                rows.add((operation, *(shorten(one) for one in said)))
            continue
        seen = [sorted(set(leaves(shape, one))) for one in (theirs, ours)]
        for place in {place for one in seen for place, _ in one}:
            said = [", ".join(value or "(empty)" for at, value in one if at == place) or "–" for one in seen]
            if said[0] != said[1]:
                rows.add((place, *(shorten(one) for one in said)))
    return rows


def shorten(text):
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def table(text):
    """Rows of the page and their explanations."""
    rows = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == 4 and cells[0] not in ("Where", "---"):
            rows[tuple(cells[:3])] = cells[3]
    return rows


def main(endpoint, write):
    emulator = play(clients(endpoint), *NETWORK)
    with mock_aws():
        ec2 = boto3.client("ec2", region_name=REGION, aws_access_key_id="key", aws_secret_access_key="secret")
        subnets = ec2.describe_subnets()["Subnets"][:2]
        vpc = subnets[0]["VpcId"]
        group = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"][0]
        moto = play(clients(), vpc, [subnet["SubnetId"] for subnet in subnets], group["GroupId"])
    found = differences(moto, emulator)
    page = PAGE.read_text()
    explained = table(page)
    if write:
        head, _ = page.split("| Where |")
        lines = [f"| {' | '.join(row)} | {explained.get(row, '')} |" for row in sorted(found)]
        PAGE.write_text(head + "| Where | moto | Emulator | Why |\n|---|---|---|---|\n" + "\n".join(lines) + "\n")
        return
    reasons = set(re.findall(r"^\*\*([\w-]+)\*\*", page, re.MULTILINE))
    wrong = [f"new, and not explained: {' | '.join(row)}" for row in sorted(found - set(explained))]
    wrong += [f"vanished: {' | '.join(row)}" for row in sorted(set(explained) - found)]
    wrong += [f"no reason is called {why!r}: {' | '.join(row)}" for row, why in explained.items() if why not in reasons]
    print(f'{{"calls": {len(emulator)}, "differences": {len(found)}, "unexplained": {len(wrong)}}}')
    if wrong:
        sys.exit("\n".join(wrong))


main(sys.argv[1], "--write" in sys.argv)
