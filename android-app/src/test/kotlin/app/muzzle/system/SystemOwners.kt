package app.muzzle.system

import android.net.ConnectivityManager
import org.robolectric.annotation.Implementation
import org.robolectric.annotation.Implements
import org.robolectric.shadows.ShadowConnectivityManager
import java.io.File
import java.net.Inet4Address
import java.net.InetSocketAddress

/** The part of the system that knows whose a TCP connection is: reads the kernel's own tables. */
@Implements(ConnectivityManager::class)
class SystemOwners : ShadowConnectivityManager() {
    @Implementation
    protected fun getConnectionOwnerUid(
        protocol: Int,
        local: InetSocketAddress,
        remote: InetSocketAddress,
    ): Int {
        if (silent || protocol != TCP) return UNKNOWN
        val table = if (local.address is Inet4Address) "tcp" else "tcp6"
        val ends = listOf(local, remote).map(::hex)
        return File("/proc/thread-self/net/$table")
            .readLines()
            .map { it.trim().split(SPACES) }
            .firstOrNull { it.subList(1, 3) == ends }
            ?.get(UID)
            ?.toInt() ?: UNKNOWN
    }

    /** As the tables write an address: words of four bytes in the machine's order, little-endian here. */
    private fun hex(end: InetSocketAddress) =
        end.address.address
            .toList()
            .chunked(4)
            .flatMap { it.reversed() }
            .joinToString("") { "%02X".format(it) } + ":%04X".format(end.port)

    companion object {
        /** Tells of nobody. */
        var silent = false

        private val SPACES = Regex("\\s+")
        private const val TCP = 6
        private const val UID = 7
        private const val UNKNOWN = -1
    }
}
