/** The limits of the primary's duties as a value, so that tests can reach them with a handful of leases. */
import {
  checkpointLeasesPerSecondMax,
  clearCommandsInFlightMax,
  expireCommandsInFlightMax,
  expireKeysPerCommandMax,
  leasesPerCommandMax,
} from '../base/limits.ts';

/** See `base/limits.ts` for each. */
export interface DutyLimits {
  readonly leasesPerCommandMax: number;
  readonly expireKeysPerCommandMax: number;
  readonly expireCommandsInFlightMax: number;
  readonly clearCommandsInFlightMax: number;
  readonly checkpointLeasesPerSecondMax: number;
}

/** The limits in force. */
export const dutyLimits: DutyLimits = {
  leasesPerCommandMax,
  expireKeysPerCommandMax,
  expireCommandsInFlightMax,
  clearCommandsInFlightMax,
  checkpointLeasesPerSecondMax,
};
