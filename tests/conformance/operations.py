"""Drives every operation that the emulator serves, well and ill, and checks every answer.

Usage: operations.py ENDPOINT   (an empty account in which time passes about 100 times as fast as at AWS)

1. A stage is set and cleared by every operation of emulator/models, those of CloudWatch in each of its protocols;
   botocore's waiters follow it.
2. Every operation is called without each of its required members, and with values of wrong types.
3. What clients read is there, though the models require it of nobody.
4. The checker itself is checked: answers that were made wrong must not pass.
"""

import copy
import json
import sys
import time
import urllib.request
from datetime import timedelta
from pathlib import Path

import botocore.session
from botocore.exceptions import ClientError

import answers
from clients import clients, speaking

MODELS = Path(__file__).resolve().parent.parent.parent / "emulator/models"
SUBNETS = ["subnet-0a0a0a0a0a0a0a0a0", "subnet-0b0b0b0b0b0b0b0b0"]
HURRY = {"Delay": 0.1, "MaxAttempts": 200}


def refused(code, call, **arguments):
    """The call is refused with this code."""
    try:
        call(**arguments)
    except ClientError as error:
        found = error.response["Error"]["Code"]
        assert found == code, f"{error}: expected {code}"
    else:
        raise AssertionError(f"{call.__name__} {arguments} was not refused with {code}")


def has(value, *paths):
    """Members that clients read are there: `a.b` in a structure, in the first item of a list."""
    for path in paths:
        found = value
        for name in path.split("."):
            found = found[0] if isinstance(found, list) else found
            assert name in found, f"{path}: {name} is not in {sorted(found)}"
            found = found[name]


def parameters(ssm):
    put = dict(Name="/blog/version", Type="String", Value="1.3.0")
    assert ssm.put_parameter(**put)["Version"] == 1
    refused("ParameterAlreadyExists", ssm.put_parameter, **put)
    assert ssm.put_parameter(**put | {"Value": "1.4.0"}, Overwrite=True)["Version"] == 2
    ssm.label_parameter_version(Name="/blog/version", ParameterVersion=1, Labels=["good"])
    has(ssm.get_parameter(Name="/blog/version:good"), *[f"Parameter.{name}" for name in "Name Type Value Version LastModifiedDate ARN DataType".split()])
    refused("ParameterNotFound", ssm.get_parameter, Name="/none")
    refused("ParameterVersionNotFound", ssm.get_parameter, Name="/blog/version:9")
    found = ssm.get_parameters(Names=["/blog/version", "/none"])
    assert found["InvalidParameters"] == ["/none"] and len(found["Parameters"]) == 1
    ssm.put_parameter(Name="/blog/key", Type="SecureString", Value="x", Description="d", Tags=[{"Key": "a", "Value": "b"}])
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path="/blog", Recursive=True, PaginationConfig={"PageSize": 1})
    assert sum(len(page["Parameters"]) for page in pages) == 2
    has(ssm.get_parameter_history(Name="/blog/version"), "Parameters.Version", "Parameters.LastModifiedUser", "Parameters.Labels")
    has(ssm.describe_parameters(), "Parameters.Name", "Parameters.Tier")
    resource = dict(ResourceType="Parameter", ResourceId="/blog/key")
    ssm.add_tags_to_resource(**resource, Tags=[{"Key": "c", "Value": "d"}])
    assert len(ssm.list_tags_for_resource(**resource)["TagList"]) == 2
    ssm.remove_tags_from_resource(**resource, TagKeys=["a"])
    refused("InvalidResourceId", ssm.list_tags_for_resource, ResourceType="Parameter", ResourceId="/none")
    ssm.delete_parameter(Name="/blog/key")
    refused("ParameterNotFound", ssm.delete_parameter, Name="/blog/key")
    assert ssm.delete_parameters(Names=["/blog/version", "/none"])["InvalidParameters"] == ["/none"]


def front(elb):
    """A load balancer with two groups; its ARNs."""
    made = elb.create_load_balancer(Name="blog", Subnets=SUBNETS, Tags=[{"Key": "a", "Value": "b"}])
    has(made, *[f"LoadBalancers.{name}" for name in "LoadBalancerArn DNSName State.Code Type Scheme VpcId AvailabilityZones".split()])
    balancer = made["LoadBalancers"][0]["LoadBalancerArn"]
    elb.get_waiter("load_balancer_available").wait(LoadBalancerArns=[balancer], WaiterConfig=HURRY)
    has(elb.describe_load_balancer_attributes(LoadBalancerArn=balancer), "Attributes.Key")
    elb.modify_load_balancer_attributes(LoadBalancerArn=balancer, Attributes=[{"Key": "idle_timeout.timeout_seconds", "Value": "30"}])
    refused("LoadBalancerNotFound", elb.describe_load_balancers, Names=["none"])
    group = dict(Protocol="HTTP", Port=8080, VpcId="vpc-0e0e0e0e0e0e0e0e0", TargetType="ip", HealthCheckIntervalSeconds=10)
    groups = [elb.create_target_group(Name=name, **group)["TargetGroups"][0]["TargetGroupArn"] for name in ("blog-a", "blog-b")]
    refused("DuplicateTargetGroupName", elb.create_target_group, Name="blog-a", **group | {"Port": 81})
    refused("TargetGroupNotFound", elb.describe_target_groups, Names=["none"])
    elb.modify_target_group(TargetGroupArn=groups[0], HealthCheckPath="/health")
    elb.modify_target_group_attributes(TargetGroupArn=groups[0], Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "10"}])
    has(elb.describe_target_group_attributes(TargetGroupArn=groups[0]), "Attributes.Value")
    elb.register_targets(TargetGroupArn=groups[1], Targets=[{"Id": "10.0.0.9", "Port": 8080}])
    unused = elb.describe_target_health(TargetGroupArn=groups[1])["TargetHealthDescriptions"][0]["TargetHealth"]
    assert (unused["State"], unused["Reason"]) == ("unused", "Target.NotInUse"), unused
    elb.deregister_targets(TargetGroupArn=groups[1], Targets=[{"Id": "10.0.0.9", "Port": 8080}])
    return balancer, groups


def forward(*pairs):
    return [{"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in pairs]}}]


def routing(elb, balancer, groups):
    """A listener with a rule; their ARNs."""
    weights = forward((groups[0], 100), (groups[1], 0))
    listen = dict(LoadBalancerArn=balancer, Protocol="HTTP", Port=80)
    listener = elb.create_listener(**listen, DefaultActions=weights)["Listeners"][0]["ListenerArn"]
    refused("DuplicateListener", elb.create_listener, **listen, DefaultActions=forward((groups[1], 1)))
    refused("TargetGroupNotFound", elb.create_listener, **listen | {"Port": 81}, DefaultActions=forward((groups[0][:-1] + "0", 1)))
    elb.modify_listener(ListenerArn=listener, DefaultActions=forward((groups[0], 1), (groups[1], 0)))
    has(elb.describe_listeners(LoadBalancerArn=balancer), "Listeners.DefaultActions.ForwardConfig.TargetGroups.Weight")
    refused("ListenerNotFound", elb.describe_listeners, ListenerArns=[listener[:-1] + "0"])
    beta = [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/beta/*"]}}]
    of_rule = dict(ListenerArn=listener, Conditions=beta, Actions=forward((groups[1], 1)))
    rules = [elb.create_rule(**of_rule, Priority=priority)["Rules"][0]["RuleArn"] for priority in (10, 20)]
    refused("PriorityInUse", elb.create_rule, **of_rule, Priority=10)
    refused("ValidationError", elb.create_rule, **of_rule | {"Actions": forward(*[(groups[0], 1)] * 6)}, Priority=30)
    headers = [{"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Beta", "Values": ["1"]}}, {"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8"]}}]
    changed = elb.modify_rule(RuleArn=rules[0], Actions=forward((groups[0], 30), (groups[1], 70)), Conditions=headers)
    has(changed, "Rules.Conditions.Values" if "Values" in changed["Rules"][0]["Conditions"][0] else "Rules.Conditions.HttpHeaderConfig", "Rules.Priority", "Rules.IsDefault")
    elb.set_rule_priorities(RulePriorities=[{"RuleArn": rules[0], "Priority": 21}])
    pages = elb.get_paginator("describe_rules").paginate(ListenerArn=listener, PaginationConfig={"PageSize": 1})
    assert [rule["Priority"] for page in pages for rule in page["Rules"]] == ["20", "21", "default"]
    refused("RuleNotFound", elb.describe_rules, RuleArns=[rules[0][:-1] + "0"])
    default = elb.describe_rules(ListenerArn=listener)["Rules"][-1]["RuleArn"]
    refused("OperationNotPermitted", elb.delete_rule, RuleArn=default)
    refused("OperationNotPermitted", elb.modify_rule, RuleArn=default, Actions=weights)
    elb.add_tags(ResourceArns=[listener], Tags=[{"Key": "a", "Value": "b"}])
    has(elb.describe_tags(ResourceArns=[listener]), "TagDescriptions.Tags.Value")
    elb.remove_tags(ResourceArns=[listener], TagKeys=["a"])
    has(elb.describe_target_groups(LoadBalancerArn=balancer), "TargetGroups.LoadBalancerArns", "TargetGroups.Matcher.HttpCode", "TargetGroups.TargetType")
    refused("ResourceInUse", elb.delete_target_group, TargetGroupArn=groups[0])
    return listener, rules


def containers(ecs):
    """A cluster and a task definition."""
    has(ecs.create_cluster(clusterName="prod", tags=[{"key": "a", "value": "b"}]), "cluster.clusterArn", "cluster.status")
    has(ecs.describe_clusters(clusters=["prod", "none"]), "clusters.clusterName", "failures.reason")
    assert len(ecs.list_clusters()["clusterArns"]) == 1
    container = {
        "name": "web", "image": "blog:1", "portMappings": [{"containerPort": 8080}], "environment": [{"name": "LANG", "value": "é & <b>"}],
        "healthCheck": {"command": ["CMD-SHELL", "true"]}, "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "blog"}},
    }
    definition = dict(
        family="blog", networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
        containerDefinitions=[container], tags=[{"key": "a", "value": "b"}],
    )
    has(ecs.register_task_definition(**definition), *[f"taskDefinition.{name}" for name in "taskDefinitionArn revision status family registeredAt compatibilities".split()])
    old = ecs.register_task_definition(**definition)["taskDefinition"]["taskDefinitionArn"]
    refused("ClientException", ecs.register_task_definition, **definition | {"memory": "1"})
    refused("ClientException", ecs.describe_task_definition, taskDefinition="none")
    assert ecs.describe_task_definition(taskDefinition="blog", include=["TAGS"])["tags"]
    assert len(ecs.list_task_definitions(familyPrefix="blog", sort="DESC", maxResults=1)["taskDefinitionArns"]) == 1
    assert ecs.list_task_definition_families()["families"] == ["blog"]
    ecs.deregister_task_definition(taskDefinition=old)
    refused("ClientException", ecs.run_task, cluster="prod", taskDefinition=old, launchType="FARGATE")
    has(ecs.delete_task_definitions(taskDefinitions=[old, "blog:1"]), "taskDefinitions.status", "failures.reason")


def service(ecs, elb, groups):
    """A service from its creation until its name is free."""
    network = {"awsvpcConfiguration": {"subnets": SUBNETS}}
    wanted = dict(
        cluster="prod", serviceName="blog-1", taskDefinition="blog:1", desiredCount=2, launchType="FARGATE", networkConfiguration=network,
        loadBalancers=[{"targetGroupArn": groups[0], "containerName": "web", "containerPort": 8080}], tags=[{"key": "a", "value": "b"}],
        clientToken="token-1", deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": False}},
    )
    refused("ClusterNotFoundException", ecs.create_service, **wanted | {"cluster": "none"})
    made = ecs.create_service(**wanted)["service"]
    assert ecs.create_service(**wanted)["service"]["serviceArn"] == made["serviceArn"]
    refused("InvalidParameterException", ecs.create_service, **wanted | {"desiredCount": 3, "clientToken": "token-2"})
    ecs.get_waiter("services_stable").wait(cluster="prod", services=["blog-1"], WaiterConfig=HURRY)
    elb.get_waiter("target_in_service").wait(TargetGroupArn=groups[0], WaiterConfig=HURRY)
    # The waiter counts tasks; a deployment is over when their containers' own checks say so too.
    for _ in range(HURRY["MaxAttempts"]):
        described = ecs.describe_services(cluster="prod", services=["blog-1", "none"], include=["TAGS"])
        if described["services"][0]["deployments"][0]["rolloutState"] == "COMPLETED":
            break
        time.sleep(HURRY["Delay"])
    has(described, *[f"services.{name}" for name in "serviceArn status desiredCount runningCount pendingCount taskDefinition createdAt tags deployments events loadBalancers.targetGroupArn".split()])
    has(described, *[f"services.deployments.{name}" for name in "id status rolloutState rolloutStateReason desiredCount runningCount failedTasks createdAt updatedAt".split()], "failures.arn")
    assert described["services"][0]["deployments"][0]["rolloutState"] == "COMPLETED"
    refused("InvalidParameterException", ecs.describe_services, cluster="prod", services=[f"s{n}" for n in range(11)])
    tasks = ecs.list_tasks(cluster="prod", serviceName="blog-1")["taskArns"]
    known = elb.describe_target_health(TargetGroupArn=groups[0])["TargetHealthDescriptions"]
    targets = [{"Id": one["Target"]["Id"], "Port": one["Target"]["Port"]} for one in known]
    seen = ecs.describe_tasks(cluster="prod", tasks=[*tasks, "0" * 32], include=["TAGS"])
    has(seen, *[f"tasks.{name}" for name in "taskArn lastStatus desiredStatus group startedBy version containers.name attachments.details healthStatus startedAt".split()], "failures.reason")
    has(elb.describe_target_health(TargetGroupArn=groups[0]), "TargetHealthDescriptions.Target.AvailabilityZone", "TargetHealthDescriptions.HealthCheckPort")
    assert ecs.stop_task(cluster="prod", task=tasks[0], reason="conformance")["task"]["stopCode"] == "UserInitiated"
    refused("InvalidParameterException", ecs.stop_task, cluster="prod", task="0" * 32)
    assert ecs.list_services(cluster="prod")["serviceArns"] == [made["serviceArn"]]
    ecs.tag_resource(resourceArn=made["serviceArn"], tags=[{"key": "c", "value": "d"}])
    assert len(ecs.list_tags_for_resource(resourceArn=made["serviceArn"])["tags"]) == 2
    ecs.untag_resource(resourceArn=made["serviceArn"], tagKeys=["a"])
    started = ecs.run_task(cluster="prod", taskDefinition="blog", launchType="FARGATE", networkConfiguration=network, count=1, startedBy="me")
    has(started, "tasks.taskArn", "tasks.overrides.containerOverrides.name", "tasks.cpu", "tasks.memory")
    once = started["tasks"][0]["taskArn"]
    ecs.get_waiter("tasks_running").wait(cluster="prod", tasks=[once], WaiterConfig=HURRY)
    ecs.stop_task(cluster="prod", task=once)
    ecs.get_waiter("tasks_stopped").wait(cluster="prod", tasks=[once], WaiterConfig=HURRY)
    has(ecs.describe_tasks(cluster="prod", tasks=[once]), *[f"tasks.{name}" for name in "stopCode stoppedReason stoppedAt containers.lastStatus containers.exitCode".split()])
    refused("InvalidParameterException", ecs.delete_service, cluster="prod", service="blog-1")
    refused("ServiceNotFoundException", ecs.update_service, cluster="prod", service="none", desiredCount=0)
    assert ecs.update_service(cluster="prod", service="blog-1", desiredCount=0)["service"]["desiredCount"] == 0
    ecs.get_waiter("services_stable").wait(cluster="prod", services=["blog-1"], WaiterConfig=HURRY)
    elb.get_waiter("target_deregistered").wait(TargetGroupArn=groups[0], Targets=targets, WaiterConfig=HURRY)
    ecs.delete_service(cluster="prod", service="blog-1")
    ecs.get_waiter("services_inactive").wait(cluster="prod", services=["blog-1"], WaiterConfig=HURRY)
    refused("ServiceNotActiveException", ecs.update_service, cluster="prod", service="blog-1", desiredCount=1)


def scaling(ecs, aas):
    """A scalable target, its policy and its scheduled action, on a service of its own."""
    ecs.create_service(cluster="prod", serviceName="scaled", taskDefinition="blog:1", desiredCount=1, launchType="FARGATE", networkConfiguration={"awsvpcConfiguration": {"subnets": SUBNETS}})
    target = dict(ServiceNamespace="ecs", ResourceId="service/prod/scaled", ScalableDimension="ecs:service:DesiredCount")
    refused("ObjectNotFoundException", aas.deregister_scalable_target, **target)
    aas.register_scalable_target(**target, MinCapacity=1, MaxCapacity=4)
    has(aas.describe_scalable_targets(ServiceNamespace="ecs"), "ScalableTargets.MinCapacity", "ScalableTargets.SuspendedState.DynamicScalingInSuspended")
    tracking = {"TargetValue": 50.0, "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}}
    has(aas.put_scaling_policy(**target, PolicyName="cpu", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=tracking), "PolicyARN")
    has(aas.describe_scaling_policies(ServiceNamespace="ecs"), "ScalingPolicies.CreationTime", "ScalingPolicies.PolicyName")
    aas.delete_scaling_policy(**target, PolicyName="cpu")
    morning = dict(**target, ScheduledActionName="morning")
    aas.put_scheduled_action(**morning, Schedule="cron(0 8 * * ? *)", Timezone="Europe/Berlin", ScalableTargetAction={"MinCapacity": 2})
    has(aas.describe_scheduled_actions(ServiceNamespace="ecs"), "ScheduledActions.ScheduledActionARN", "ScheduledActions.ScalableTargetAction.MinCapacity")
    aas.delete_scheduled_action(**morning)
    refused("ObjectNotFoundException", aas.delete_scheduled_action, **morning)
    aas.deregister_scalable_target(**target)
    ecs.delete_service(cluster="prod", service="scaled", force=True)
    ecs.get_waiter("services_inactive").wait(cluster="prod", services=["scaled"], WaiterConfig=HURRY)


def table(dynamodb):
    """A lease: taken when nobody has it, given on under a condition."""
    key, here = {"lease": {"S": "a"}}, dict(TableName="leases")
    made = dynamodb.create_table(**here, BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[{"AttributeName": "lease", "AttributeType": "S"}], KeySchema=[{"AttributeName": "lease", "KeyType": "HASH"}])
    has(made, "TableDescription.TableArn", "TableDescription.TableStatus")
    dynamodb.get_waiter("table_exists").wait(**here, WaiterConfig=HURRY)
    has(dynamodb.describe_table(**here), "Table.KeySchema.AttributeName", "Table.CreationDateTime")
    assert dynamodb.list_tables()["TableNames"] == ["leases"]
    taken = dict(**here, Item=key | {"holder": {"S": "one"}}, ConditionExpression="attribute_not_exists(lease)")
    dynamodb.put_item(**taken)
    refused("ConditionalCheckFailedException", dynamodb.put_item, **taken)
    assert dynamodb.get_item(**here, Key=key, ConsistentRead=True)["Item"]["holder"] == {"S": "one"}
    dynamodb.update_item(**here, Key=key, UpdateExpression="SET holder = :next", ConditionExpression="holder = :seen", ExpressionAttributeValues={":next": {"S": "two"}, ":seen": {"S": "one"}})
    dynamodb.delete_item(**here, Key=key)
    assert "Item" not in dynamodb.get_item(**here, Key=key)
    refused("ResourceNotFoundException", dynamodb.get_item, TableName="none", Key=key)
    dynamodb.delete_table(**here)


def alarms(cloudwatch):
    """An alarm that follows its metric, in one of the protocols of CloudWatch."""
    protocol = cloudwatch.meta.service_model.resolved_protocol
    space, name = f"Shop/{protocol}", f"errors-{protocol}"
    metric = dict(Namespace=space, MetricName="Errors", Dimensions=[{"Name": "App", "Value": "é & <b>"}])
    watch = dict(AlarmName=name, **metric, Statistic="Sum", Period=60, EvaluationPeriods=1, Threshold=1.5, ComparisonOperator="GreaterThanThreshold")
    cloudwatch.put_metric_alarm(**watch, TreatMissingData="notBreaching", Tags=[{"Key": "a", "Value": "b"}])
    cloudwatch.get_waiter("alarm_exists").wait(AlarmNames=[name], WaiterConfig=HURRY)
    has(cloudwatch.describe_alarms(), *[f"MetricAlarms.{member}" for member in "AlarmArn StateValue StateReason StateUpdatedTimestamp StateTransitionedTimestamp Dimensions.Name Threshold Period".split()])
    refused("ValidationError", cloudwatch.put_metric_alarm, **watch | {"Period": 61})
    refused("ResourceNotFound", cloudwatch.set_alarm_state, AlarmName="none", StateValue="OK", StateReason="drill")
    refused("InvalidFormat", cloudwatch.set_alarm_state, AlarmName=name, StateValue="OK", StateReason="drill", StateReasonData="{")
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="drill")
    poll(lambda: state(cloudwatch, name) == "OK")
    # More than botocore sends unpacked.
    many = [dict(MetricName="Errors", Dimensions=metric["Dimensions"], Values=[0.5, 3.0], Counts=[1.0, 2.0])] * 300
    cloudwatch.put_metric_data(Namespace=space, MetricData=many)
    poll(lambda: state(cloudwatch, name) == "ALARM")
    described = cloudwatch.describe_alarms(AlarmNames=[name, "none"])["MetricAlarms"]
    assert len(described) == 1 and json.loads(described[0]["StateReasonData"])["threshold"] == 1.5, described
    refused("InvalidParameterValue", cloudwatch.put_metric_data, Namespace="AWS/ECS", MetricData=many[:1])
    refused("InvalidParameterCombination", cloudwatch.put_metric_data, Namespace=space, MetricData=[many[0] | {"Value": 1.0}])
    refused("MissingParameter", cloudwatch.put_metric_data, Namespace=space, MetricData=[{"MetricName": "Errors"}])
    now = described[0]["StateUpdatedTimestamp"]
    query = [{"Id": stat.lower(), "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}} for stat in ("Sum", "SampleCount", "Average", "p50")]
    asked = dict(MetricDataQueries=query, StartTime=now - timedelta(hours=1), EndTime=now + timedelta(hours=1))
    pages = list(cloudwatch.get_paginator("get_metric_data").paginate(**asked, PaginationConfig={"PageSize": 3}))
    values = {}
    for result in (result for page in pages for result in page["MetricDataResults"]):
        assert len(result["Timestamps"]) == len(result["Values"]) and result["Label"] == "Errors", result
        values.setdefault(result["Id"], []).extend(result["Values"])
    assert sum(values["sum"]) == 1950.0 and sum(values["samplecount"]) == 900.0 and set(values["p50"]) == {3.0}, values
    refused("ValidationError", cloudwatch.get_metric_data, **asked | {"MetricDataQueries": [{"Id": "e1", "Expression": "sum / 2"}]})
    refused("InvalidNextToken", cloudwatch.get_metric_data, **asked, NextToken="more")
    listed = cloudwatch.list_metrics(Namespace=space, Dimensions=[{"Name": "App"}])["Metrics"]
    assert listed == [metric], listed
    cloudwatch.delete_alarms(AlarmNames=[name, "none"])
    assert cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"] == []


def state(cloudwatch, name):
    return cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"]


def poll(holds):
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.05)


def clear(ecs, elb, balancer, groups, listener, rules):
    for rule in rules:
        elb.delete_rule(RuleArn=rule)
    elb.delete_listener(ListenerArn=listener)
    for group in groups:
        elb.delete_target_group(TargetGroupArn=group)
    elb.delete_load_balancer(LoadBalancerArn=balancer)
    elb.get_waiter("load_balancers_deleted").wait(LoadBalancerArns=[balancer], WaiterConfig=HURRY)
    assert ecs.delete_cluster(cluster="prod")["cluster"]["status"] == "INACTIVE"


def ill_formed(endpoint, session, served):
    """Every operation without each of its required members but those of its path, and with each member as another type."""
    unchecked, calls = clients(endpoint, session, checked=False), 0
    for service, operation in sorted(served):
        client = unchecked[service]
        shape = client.meta.service_model.operation_model(operation).input_shape
        if shape is None:
            continue
        full = {name: example(shape.members[name]) for name in shape.required_members}
        for name in shape.required_members:
            if shape.members[name].serialization.get("location") == "uri":
                continue
            calls += 1
            must_refuse(client, operation, {key: value for key, value in full.items() if key != name})
        if client.meta.service_model.resolved_protocol == "json":
            for name, member in shape.members.items():
                calls += 1
                other = 1 if member.type_name in ("string", "list", "structure", "map") else "other"
                must_refuse(client, operation, full | {name: Raw(other)} if member.type_name == "blob" else full | {name: other}, raw=True)
    return calls


class Raw(str):
    pass


def must_refuse(client, operation, arguments, raw=False):
    def send(model, params, **_):
        # Past botocore's serializer, which would mend or refuse what is to be sent as it is.
        if raw:
            params["body"] = json.dumps(arguments).encode()

    event = f"before-call.{client.meta.service_model.service_id.hyphenize()}.{operation}"
    client.meta.events.register(event, send)
    try:
        client._make_api_call(operation, {} if raw else arguments)
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400, error
    else:
        raise AssertionError(f"{operation} {arguments} was not refused")
    finally:
        client.meta.events.unregister(event, send)


def example(shape):
    """The smallest value of a shape."""
    kind = shape.type_name
    if kind == "structure":
        return {name: example(shape.members[name]) for name in shape.required_members}
    if kind == "list":
        return [example(shape.member)] * max(1, shape.metadata.get("min", 0))
    if kind == "string":
        return shape.enum[0] if shape.enum else "x" * max(1, shape.metadata.get("min", 0))
    return {"boolean": True, "map": {}, "timestamp": 0}.get(kind, max(1, shape.metadata.get("min", 1)))


def checker_is_checked(checker):
    """Each answer in JSON and CBOR, made wrong in each of three ways, is complained about."""
    caught = 0
    for operation, status, headers, body in checker.raw:
        protocol = operation.service_model.resolved_protocol
        if protocol in ("query", "rest-json") or status != 200 or operation.output_shape is None:
            continue
        form = answers.from_json if protocol == "json" else answers.from_cbor
        value = json.loads(body) if protocol == "json" else answers.cbor(body)
        for made_wrong in wrong_versions(value) if value else ():
            assert answers.check_value(operation, status, made_wrong, form), f"{operation.name}: {made_wrong} passes"
            caught += 1
    xml = [(operation, status, headers, body) for operation, status, headers, body in checker.raw if operation.service_model.resolved_protocol == "query"]
    for operation, status, headers, body in xml:
        for old, new in ((b"<RequestId>", b"<Request>"), (b"</Error>", b"<Odd/></Error>"), (b"<member>", b"<item>"), (b"Result>", b"Outcome>")):
            if old in body and status == (200 if new != b"<Odd/></Error>" else status):
                wrong = body.replace(old, new).replace(old.replace(b"<", b"</"), new.replace(b"<", b"</"))
                assert answers.check(operation, status, headers, wrong), f"{operation.name}: {wrong} passes"
                caught += 1
    return caught


def wrong_versions(value):
    unknown = copy.deepcopy(value)
    unknown["notModelled"] = 1
    yield unknown
    first = next(iter(value))
    for other in (None, 1.5 if not isinstance(value[first], float) else "text"):
        mistyped = copy.deepcopy(value)
        mistyped[first] = other
        yield mistyped


def functions(endpoint, client):
    """A Lambda function that is written down, asked in each way."""
    settings = {"functions": {"smoke": {"answers": [{"returns": {"hookStatus": "SUCCEEDED"}}, {"throws": "no"}, "throttled"]}}}
    patch = urllib.request.Request(f"{endpoint}/_emulator/settings", json.dumps(settings).encode(), method="PATCH")
    urllib.request.urlopen(patch)
    refused("ResourceNotFoundException", client.invoke, FunctionName="nobody")
    refused("InvalidRequestContentException", client.invoke, FunctionName="smoke", Payload=b"{")
    assert client.invoke(FunctionName="smoke", InvocationType="DryRun")["StatusCode"] == 204
    answer = client.invoke(FunctionName="arn:aws:lambda:eu-west-1:123456789012:function:smoke:live", Payload=b"{}")
    assert json.load(answer["Payload"]) == {"hookStatus": "SUCCEEDED"} and answer["ExecutedVersion"] == "live", answer
    failed = client.invoke(FunctionName="smoke")
    assert failed["FunctionError"] == "Unhandled" and json.load(failed["Payload"])["errorMessage"] == "no", failed
    refused("TooManyRequestsException", client.invoke, FunctionName="smoke")
    assert client.invoke(FunctionName="smoke", InvocationType="Event")["StatusCode"] == 202


def main(endpoint):
    served = {(path.stem, name) for path in MODELS.glob("*.json") for name in json.loads(path.read_text())["operations"]}
    session = botocore.session.get_session()
    checker = answers.watch(session)
    aws = clients(endpoint, session)
    ecs, elb = aws["ecs"], aws["elbv2"]
    assert aws["sts"].get_caller_identity()["Account"] == "123456789012"
    parameters(aws["ssm"])
    balancer, groups = front(elb)
    containers(ecs)
    refused("InvalidParameterException", ecs.create_service, cluster="prod", serviceName="early", taskDefinition="blog:1", desiredCount=1, launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": {"subnets": SUBNETS}}, loadBalancers=[{"targetGroupArn": groups[0], "containerName": "web", "containerPort": 8080}])
    listener, rules = routing(elb, balancer, groups)
    service(ecs, elb, groups)
    scaling(ecs, aws["application-autoscaling"])
    table(aws["dynamodb"])
    for protocol in aws["cloudwatch"].meta.service_model.protocols:
        alarms(speaking(protocol, "cloudwatch", endpoint, session))
    functions(endpoint, aws["lambda"])
    clear(ecs, elb, balancer, groups, listener, rules)
    well = {operation for operation, ends in checker.seen.items() if "ok" in ends}
    ill = ill_formed(endpoint, session, served)
    caught = checker_is_checked(checker)
    complaints = [f"{operation} was never answered well" for operation in sorted(served - well)] + sorted(set(checker.complaints))
    codes = {code for ends in checker.seen.values() for code in ends} - {"ok"}
    print(json.dumps({"operations": len(well), "answers": len(checker.raw), "errorCodes": len(codes), "illFormed": ill, "wrongAnswersCaught": caught, "complaints": len(complaints)}))
    if complaints:
        sys.exit("\n".join(complaints))


main(sys.argv[1])
