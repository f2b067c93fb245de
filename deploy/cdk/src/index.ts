// SPDX-License-Identifier: Apache-2.0
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

/** What a function behind Streamgate needs to be told. */
export interface StreamgateFunctionProps {
  /** The app: `Code.fromAsset('app')` for a zip, `Code.fromAssetImage('app')` for an image with the adapter in it. */
  readonly code: lambda.Code;

  /** A zip's runtime; an image's is `Runtime.FROM_IMAGE`. */
  readonly runtime: lambda.Runtime;

  /**
   * A zip's command line that starts the app, such as `node server.js`, run in the zip's folder.
   *
   * @default ./run.sh
   */
  readonly command?: string;

  /** A zip's: the ARN of Streamgate's layer for the architecture, with its version. An image takes no layer. */
  readonly layerArn?: string;

  /**
   * The processor that layer or image, and whatever is native in the app, are built for.
   *
   * @default Architecture.ARM_64
   */
  readonly architecture?: lambda.Architecture;

  /**
   * Megabytes; the processor's share grows with them.
   *
   * @default 512
   */
  readonly memorySize?: number;

  /**
   * How long a response may take, up to the end of its stream.
   *
   * @default Duration.minutes(1)
   */
  readonly timeout?: Duration;

  /**
   * Variables of the app, and settings of Streamgate.
   *
   * @default none
   */
  readonly environment?: Record<string, string>;

  /**
   * `AWS_IAM` wants signed requests, `NONE` lets everyone in.
   *
   * @default FunctionUrlAuthType.AWS_IAM
   */
  readonly authType?: lambda.FunctionUrlAuthType;

  /**
   * How long log lines are kept.
   *
   * @default RetentionDays.ONE_MONTH
   */
  readonly logRetention?: logs.RetentionDays;
}

/** A web app behind Streamgate, with a function URL that streams its responses. */
export class StreamgateFunction extends Construct {
  /** The function, for triggers, other fronts, and what the app may do. */
  public readonly function: lambda.Function;

  /** The function's URL. */
  public readonly url: lambda.FunctionUrl;

  /** Where the function logs, and the only place to which its own role lets it write. */
  public readonly logGroup: logs.LogGroup;

  constructor(scope: Construct, id: string, props: StreamgateFunctionProps) {
    super(scope, id);
    const isImage = props.runtime === lambda.Runtime.FROM_IMAGE;
    if (isImage && (props.layerArn !== undefined || props.command !== undefined)) {
      throw new Error(`${this.node.path}: an image takes neither layerArn nor command: it has adapter and command in it`);
    }
    if (!isImage && props.layerArn === undefined) {
      throw new Error(`${this.node.path}: a zip on ${props.runtime.name} needs layerArn`);
    }

    this.logGroup = new logs.LogGroup(this, 'LogGroup', {
      retention: props.logRetention ?? logs.RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    // CDK's own role may write to every log group of the account.
    const role = new iam.Role(this, 'Role', { assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com') });
    this.logGroup.grantWrite(role);

    this.function = new lambda.Function(this, 'Function', {
      code: props.code,
      runtime: props.runtime,
      ...(props.layerArn === undefined ? ofImage(props) : this.ofZip(props, props.layerArn)),
      architecture: props.architecture ?? lambda.Architecture.ARM_64,
      memorySize: props.memorySize ?? 512,
      timeout: props.timeout ?? Duration.minutes(1),
      logGroup: this.logGroup,
      role,
    });
    this.url = this.function.addFunctionUrl({
      authType: props.authType ?? lambda.FunctionUrlAuthType.AWS_IAM,
      invokeMode: lambda.InvokeMode.RESPONSE_STREAM,
    });
  }

  private ofZip(props: StreamgateFunctionProps, layerArn: string) {
    // Lambda ignores an exec wrapper on OS-only runtimes, and starts the layer's bootstrap itself.
    const isOsOnly = props.runtime.family === lambda.RuntimeFamily.OTHER;
    const wrapper: Record<string, string> = isOsOnly ? {} : { AWS_LAMBDA_EXEC_WRAPPER: '/opt/bootstrap' };
    return {
      // Lambda wants one, without spaces; the command goes before it.
      handler: 'streamgate',
      layers: [lambda.LayerVersion.fromLayerVersionArn(this, 'Layer', layerArn)],
      environment: { ...props.environment, STREAMGATE_COMMAND: props.command ?? './run.sh', ...wrapper },
    };
  }
}

function ofImage(props: StreamgateFunctionProps) {
  return { handler: lambda.Handler.FROM_IMAGE, environment: { ...props.environment } };
}
