/**
 * What we announce ourselves as. etcd's versions are digits and dots only: clients parse them (Patroni turns every part into
 * a number), and 3.5 is what the oldest and the newest of them agree on (ecosystem.md §0.2).
 */

/** The etcd whose wire we speak. */
export const etcdVersion = '3.5.21';
/** The etcd cluster version we claim. */
export const etcdClusterVersion = '3.5.0';
/** Our own. */
export const leaseholdVersion = '0.1.0';
