/** A device does not do, or no longer does, what it is asked: what was made on it is thrown away. Exit code 6. */
export class DeviceError extends Error {
  constructor(
    /** What the adapter calls itself. */ readonly device: string,
    message: string,
  ) {
    super(message);
    this.name = 'DeviceError';
  }
}

/** The device was lost: taken away, reset by its driver, or destroyed. */
export class DeviceLostError extends DeviceError {
  constructor(device: string, why: string) {
    super(device, `the device ${device} was lost: ${why} (--device cpu does without it)`);
    this.name = 'DeviceLostError';
  }
}

/** The device has no memory for a vector. */
export class DeviceMemoryError extends DeviceError {
  constructor(device: string, what: string) {
    super(device, `the device ${device} has no memory for ${what} (--device cpu does without it)`);
    this.name = 'DeviceMemoryError';
  }
}

/** The device computes something else than the CPU. */
export class WrongDeviceError extends DeviceError {
  constructor(device: string, what: string) {
    super(device, `the device ${device} computes wrongly: ${what} (--device cpu does without it)`);
    this.name = 'WrongDeviceError';
  }
}

/** There is no device that can be used. */
export class NoDeviceError extends DeviceError {
  constructor(why: string) {
    super('gpu', `no GPU: ${why} (--device cpu does without one)`);
    this.name = 'NoDeviceError';
  }
}
