// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { App, Duration, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import * as ecr from 'aws-cdk-lib/aws-ecr';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { StreamgateFunction, StreamgateFunctionProps } from '../src';

const LAYER = 'arn:aws:lambda:eu-west-1:123456789012:layer:streamgate-arm64:7';

/** The stack of one function: a zip on Node.js, if nothing else is said. */
function stackOf(props: Partial<StreamgateFunctionProps>): Stack {
  const stack = new Stack(new App(), 'Test');
  const code = lambda.Code.fromBucket(s3.Bucket.fromBucketName(stack, 'Bucket', 'bucket'), 'app.zip');
  new StreamgateFunction(stack, 'App', { code, runtime: lambda.Runtime.NODEJS_24_X, ...props });
  return stack;
}

const templateOf = (props: Partial<StreamgateFunctionProps>): Template => Template.fromStack(stackOf(props));

/** The props of an image. */
function image(): Partial<StreamgateFunctionProps> {
  const repository = ecr.Repository.fromRepositoryName(new Stack(), 'Repository', 'app');
  return { code: lambda.Code.fromEcrImage(repository, { tagOrDigest: '1' }), runtime: lambda.Runtime.FROM_IMAGE };
}

function logicalId(template: Template, type: string): string {
  const ids = Object.keys(template.findResources(type));
  assert.equal(ids.length, 1, `one ${type}: ${ids}`);
  return ids[0]!;
}

test('a zip gets the layer and the wrapper', () => {
  const template = templateOf({ layerArn: LAYER, command: 'node server.js', environment: { COLOUR: 'blue' } });
  template.hasResourceProperties('AWS::Lambda::Function', {
    Layers: [LAYER],
    Runtime: 'nodejs24.x',
    Environment: {
      Variables: {
        AWS_LAMBDA_EXEC_WRAPPER: '/opt/bootstrap',
        COLOUR: 'blue',
        STREAMGATE_COMMAND: 'node server.js',
      },
    },
  });
});

test('an app of an OS-only runtime gets the layer without a wrapper', () => {
  const template = templateOf({ layerArn: LAYER, runtime: lambda.Runtime.PROVIDED_AL2023 });
  template.hasResourceProperties('AWS::Lambda::Function', {
    Layers: [LAYER],
    Runtime: 'provided.al2023',
    Environment: { Variables: { AWS_LAMBDA_EXEC_WRAPPER: Match.absent(), STREAMGATE_COMMAND: './run.sh' } },
  });
});

test('an image gets neither', () => {
  const template = templateOf(image());
  template.hasResourceProperties('AWS::Lambda::Function', {
    PackageType: 'Image',
    Layers: Match.absent(),
    Handler: Match.absent(),
    Runtime: Match.absent(),
    Environment: Match.absent(),
  });
});

test('the URL streams and wants signed requests', () => {
  const template = templateOf({ layerArn: LAYER });
  template.hasResourceProperties('AWS::Lambda::Url', { InvokeMode: 'RESPONSE_STREAM', AuthType: 'AWS_IAM' });
  template.resourceCountIs('AWS::Lambda::Permission', 0);
});

test('a public URL has the two permissions that it needs', () => {
  const template = templateOf({ layerArn: LAYER, authType: lambda.FunctionUrlAuthType.NONE });
  template.hasResourceProperties('AWS::Lambda::Url', { InvokeMode: 'RESPONSE_STREAM', AuthType: 'NONE' });
  template.resourceCountIs('AWS::Lambda::Permission', 2);
  template.hasResourceProperties('AWS::Lambda::Permission', {
    Action: 'lambda:InvokeFunctionUrl',
    Principal: '*',
    FunctionUrlAuthType: 'NONE',
  });
  template.hasResourceProperties('AWS::Lambda::Permission', {
    Action: 'lambda:InvokeFunction',
    Principal: '*',
    InvokedViaFunctionUrl: true,
  });
});

test('architecture, memory and timeout reach the function', () => {
  templateOf({ layerArn: LAYER }).hasResourceProperties('AWS::Lambda::Function', {
    Architectures: ['arm64'],
    MemorySize: 512,
    Timeout: 60,
  });
  const template = templateOf({
    layerArn: LAYER,
    architecture: lambda.Architecture.X86_64,
    memorySize: 1024,
    timeout: Duration.minutes(5),
  });
  template.hasResourceProperties('AWS::Lambda::Function', {
    Architectures: ['x86_64'],
    MemorySize: 1024,
    Timeout: 300,
  });
});

test('the role may write to the log group of this function and do nothing else', () => {
  const template = templateOf({ layerArn: LAYER });
  const group = logicalId(template, 'AWS::Logs::LogGroup');
  template.hasResourceProperties('AWS::Lambda::Function', {
    LoggingConfig: { LogGroup: { Ref: group } },
    Role: { 'Fn::GetAtt': [logicalId(template, 'AWS::IAM::Role'), 'Arn'] },
  });
  template.hasResourceProperties('AWS::IAM::Role', { ManagedPolicyArns: Match.absent(), Policies: Match.absent() });
  const policy = template.findResources('AWS::IAM::Policy')[logicalId(template, 'AWS::IAM::Policy')];
  assert.deepEqual(policy?.['Properties'].PolicyDocument.Statement, [{
    Effect: 'Allow',
    Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
    Resource: { 'Fn::GetAtt': [group, 'Arn'] },
  }]);
});

test('a zip without the layer, and an image with what is a zip\'s, are errors', () => {
  assert.throws(() => templateOf({}), /Test\/App: a zip on nodejs24.x needs layerArn/);
  assert.throws(() => templateOf({ ...image(), layerArn: LAYER }), /Test\/App: an image takes neither layerArn nor command/);
  assert.throws(() => templateOf({ ...image(), command: 'node' }), /Test\/App: an image takes neither layerArn nor command/);
});
