/** What testing a room has shown, and whether it is about what is to be published. As `cloister.sdk.report`. */

import { configurationDigest, configurationOf } from "./configuration";
import { canonical } from "./encoding";
import { BadRequestError } from "./errors";
import type { Configuration, Definition, RoomReport } from "./records";

/** Whether all of it has passed. */
export function passed(report: RoomReport): boolean {
  return report.nodes.every((node) => node.outcome === "passed");
}

/** Whether it is about this very configuration. */
export function isOf(report: RoomReport, configuration: Configuration): boolean {
  return report.digest === configurationDigest(configuration);
}

/**
 * Checks that what is about to be published is what was tested, and has passed.
 *
 * @throws BadRequestError It isn't.
 */
export function checkTested(report: RoomReport, definition: Definition): void {
  // 1. It says the same, but for the locks of environments, which the test has looked up.
  checkWritten(report, written(report, configurationOf(definition)));
  // 2. In the images that it was tested in.
  for (const image of definition.images) {
    if (!report.images.some((tested) => tested.name === image.name && tested.measurement === image.measurement)) {
      throw new BadRequestError(
        `The workers offer another image ${image.name} than the room was tested in. Test it again.`,
      );
    }
  }
}

/**
 * Checks that a configuration is what was tested, and has passed.
 *
 * @throws BadRequestError It isn't.
 */
export function checkWritten(report: RoomReport, configuration: Configuration): void {
  if (!isOf(report, configuration)) {
    throw new BadRequestError("The room was changed since it was tested. Test it again, then publish it.");
  }
  if (!passed(report)) {
    const failed = report.nodes.filter((node) => node.outcome === "failed").map((node) => node.name);
    throw new BadRequestError(
      `The room has not passed its test: ${failed.join(", ")} failed. Mend that, and test it again.`,
    );
  }
}

/** The configuration without the locks that the test has led to. */
function written(report: RoomReport, configuration: Configuration): Configuration {
  const nodes = configuration.nodes.map((node) => {
    const lock = Object.hasOwn(report.locks, node.id) ? report.locks[node.id] : undefined;
    const same = node.kind === "python_environment" && lock !== undefined && sameLock(node.lock, lock);
    return same ? { ...node, lock: [] } : node;
  });
  return { ...configuration, nodes };
}

function sameLock(one: object, other: object): boolean {
  return canonical(one).join() === canonical(other).join();
}
