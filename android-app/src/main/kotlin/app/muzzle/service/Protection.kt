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

/** Why protection does not run. */
enum class Trouble {
    /** The owner has not granted the VPN, or took it back. */
    NOT_GRANTED,

    /** Another VPN took over. */
    REVOKED,

    /** Another app is the always-on VPN. */
    OTHER_ALWAYS_ON,

    /** The system refused the TUN. */
    NO_TUN,

    /** The database cannot be used. */
    NO_STORE,

    /** The core ended by itself. */
    CORE_ENDED,
}

/** Starts and stops protection. Calls come from the main thread; listeners are told there. */
interface Protection {
    val state: ProtectionState

    /** Wanted from now on. The VPN must have been granted: VpnService.prepare gave null. */
    fun start()

    /** Not wanted any more. */
    fun stop()

    /** Lets everything pass for a while. */
    fun pause(minutes: Int)

    fun resume()

    fun listen(listener: (ProtectionState) -> Unit)

    fun forget(listener: (ProtectionState) -> Unit)
}
