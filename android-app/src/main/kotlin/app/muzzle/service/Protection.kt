package app.muzzle.service

/** How protection is, as the screens, the notification and the tile say it. */
sealed interface ProtectionState {
    /** Not wanted. */
    data object Off : ProtectionState

    /** Wanted, and on its way. */
    data object Starting : ProtectionState

    /** Running since a time, milliseconds. */
    data class On(
        val since: Long,
    ) : ProtectionState

    /** Nothing is stopped until a time, milliseconds. */
    data class Paused(
        val until: Long,
    ) : ProtectionState

    /** Wanted, and does not run: [why] says what the owner can do. */
    data class Failed(
        val why: Trouble,
    ) : ProtectionState
}

/** Why protection does not run; [reason] is the code of the gap that it leaves. */
enum class Trouble(
    val reason: String,
) {
    /** The owner has not granted the VPN, or took it back. */
    NOT_GRANTED("not-granted"),

    /** Another VPN took over. */
    REVOKED("revoked"),

    /** Another app is the always-on VPN. */
    OTHER_ALWAYS_ON("other-always-on"),

    /** The system refused the TUN. */
    NO_TUN("no-tun"),

    /** The database cannot be used. */
    NO_STORE("no-store"),

    /** The core ended by itself. */
    CORE_ENDED("core-ended"),
}

/** Starts and stops protection. Calls come from the main thread; listeners are told there. */
interface Protection {
    val state: ProtectionState

    /** Wanted from now on. The VPN must have been granted: VpnService.prepare gave null. */
    fun start()

    /** The owner was asked for the VPN, and did not grant it. */
    fun refused(why: Trouble)

    /** Not wanted any more. */
    fun stop()

    /** Lets everything pass for a while. */
    fun pause(minutes: Int)

    fun resume()

    fun listen(listener: (ProtectionState) -> Unit)

    fun forget(listener: (ProtectionState) -> Unit)
}
