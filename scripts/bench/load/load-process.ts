/** The load's own process, so that its share of the CPU is seen and no other work of the benchmark slows it: measures what it is told. */
import { measure, type Part } from './part.ts';

process.on('message', (part: Part) => {
  void measure(part).then(
    (measured) => process.send?.({ measured }),
    (error: unknown) => process.send?.({ problem: error instanceof Error ? error.message : String(error) }),
  );
});
