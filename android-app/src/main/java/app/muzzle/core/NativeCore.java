package app.muzzle.core;

/**
 * The whole way between the app and its core. docs/jni.md gives the JSON of every argument and
 * answer, the threads, who owns what, and the codes of errors.
 *
 * <p>Every native may be called from any thread, also at the same time, and throws
 * {@link CoreException} and nothing else. A handle that is not open any more is the error
 * {@code bad-handle}. Descriptors that are handed in belong to the core from the call on, also when
 * it throws: pass what {@code ParcelFileDescriptor.detachFd()} returned.
 */
public final class NativeCore {
    /** What the core asks of the app. Called on threads of the core; must not call {@link #close}. */
    public interface Upcalls {
        /**
         * Who owns a connection: {@code ConnectivityManager.getConnectionOwnerUid}, from API 29 on.
         * Called on a thread that waits for nothing else, a few times a second at most in normal use.
         *
         * @param protocol 6 for TCP, 17 for UDP
         * @param source address of the app's socket, 4 or 16 bytes
         * @param destination address that it speaks to, as many bytes
         * @return the user id; negative where the system does not know
         */
        int connectionOwner(
            int protocol, byte[] source, int sourcePort, byte[] destination, int destinationPort);

        /**
         * Keeps a socket of the core out of the VPN: {@code VpnService.protect}. Called only where
         * {@link #attachTun} was told so; not needed where our own package is outside the VPN.
         *
         * @param fd stays the core's own
         * @return whether it is protected; the connection fails otherwise
         */
        boolean protect(int fd);

        /**
         * The data plane ended by itself: nothing is protected any more. Not called after
         * {@link #detachTun} or {@link #close}.
         *
         * @param code {@code tun-gone}, {@code system} or {@code panic}
         */
        void ended(String code);
    }

    /** Told how an {@link #export} goes, on the thread that called it, a few times a second. */
    public interface Progress {
        /**
         * @param done events written
         * @param total events to write
         * @return false to cancel
         */
        boolean update(long done, long total);
    }

    static {
        System.loadLibrary("muzzle");
    }

    private NativeCore() {}

    /** What this core is. Answer: {@code version} in docs/jni.md. */
    public static native String version();

    /**
     * Opens the store and gets ready; nothing is watched yet. One at a time for a database.
     *
     * @param config {@code open} in docs/jni.md
     * @param upcalls kept until {@link #close}
     * @return a handle, never 0 and never given twice
     */
    public static native long open(String config, Upcalls upcalls);

    /**
     * Starts to watch a TUN, on a thread of the core. The one that was watched before is closed.
     *
     * @param fd the TUN; the core's from now on
     * @param config {@code attach} in docs/jni.md
     */
    public static native void attachTun(long handle, int fd, String config);

    /** Stops watching and closes the TUN; returns when it is closed. Without a TUN it does nothing. */
    public static native void detachTun(long handle);

    /**
     * Takes the owner's choices in place of those before; running flows obey at once. Until the first
     * call every listed host is blocked for every app. A policy with an error changes nothing.
     *
     * @param policy {@code policy} in docs/jni.md
     * @return {@code warnings} in docs/jni.md
     */
    public static native String setPolicy(long handle, String policy);

    /**
     * Takes the owner's own lists in place of those before. Their rows count before the built-in
     * ones; the first list counts most. A list with an error changes nothing.
     *
     * @param fds files in the form of docs/signatures.md, 16 at most; the core's from now on; an
     *     empty array leaves the built-in lists alone
     * @return {@code lists} in docs/jni.md
     */
    public static native String loadSignatures(long handle, int[] fds);

    /**
     * Takes in a list that somebody else wrote, in place of the one with its name; it is in force at
     * once and after each {@link #open}. Where it fails, the old one stays. Reads and writes files: not
     * for the main thread.
     *
     * @param fd hosts file, plain names, adblock rules or dnsmasq lines; the core's from now on
     * @param request {@code import} in docs/jni.md
     * @return {@code imported} in docs/jni.md: what was taken, and what not, by line
     */
    public static native String importList(long handle, int fd, String request);

    /**
     * Takes new upstream resolvers after a change of the network. Without a TUN it does nothing.
     *
     * @param network {@code network} in docs/jni.md
     */
    public static native void onNetworkChanged(long handle, String network);

    /**
     * Events stored after one, oldest first. Waits until there is one, the time is over, or the
     * handle is closed, which throws {@code closed}.
     *
     * @param afterId 0 for all; else {@code last} of the answer before, or of {@link #snapshot}
     * @param max 1 to 1000
     * @param timeoutMs 0 not to wait; 60000 at most
     * @return {@code rows} in docs/jni.md; no rows when the time is over
     */
    public static native String nextEvents(long handle, long afterId, int max, int timeoutMs);

    /** How things are now. Answer: {@code snapshot} in docs/jni.md. */
    public static native String snapshot(long handle);

    /**
     * Reads the store, the lists or the policy. May take as long as the disk does: not for the main
     * thread.
     *
     * @param query one of the queries of docs/jni.md
     * @return its answer
     */
    public static native String query(long handle, String query);

    /**
     * Changes the store: wipes it, notes a gap, sets what is kept. Returns when it is done.
     *
     * @param command one of the commands of docs/jni.md
     */
    public static native void command(long handle, String command);

    /**
     * Writes events to a file; returns when all is written. Whoever made the file deletes it when
     * this throws.
     *
     * @param fd open for writing; the core's from now on
     * @param request {@code export} in docs/jni.md
     * @param progress null where nobody wants to know
     * @return {@code exported} in docs/jni.md
     */
    public static native String export(long handle, int fd, String request, Progress progress);

    /**
     * Stops watching, writes what is queued and closes the store; returns when all of it is done.
     * Calls that wait elsewhere throw {@code closed}. A second one throws {@code bad-handle}.
     */
    public static native void close(long handle);
}
