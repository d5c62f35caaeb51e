package app.muzzle.whole

import android.os.ParcelFileDescriptor
import com.android.internal.net.VpnConfig
import java.io.File

/**
 * Does with a TUN of the lab what Android does with what a VPN asks for: its addresses, its routes, and whose
 * packets go there. [apps] are the user ids of packages, our own among them.
 */
class LabTuns(
    private val apps: Map<String, Int>,
) {
    fun give(config: VpnConfig): ParcelFileDescriptor {
        val (name, number) = LEFT.removeFirst()
        run(device(name, config) + routes(name, config) + rules(config))
        return Given(number)
    }

    private fun device(
        name: String,
        config: VpnConfig,
    ) = listOf("ip link set $name up mtu ${config.mtu}", "echo 0 > /proc/sys/net/ipv4/conf/$name/rp_filter") +
        config.addresses.filter { spoken(it.toString()) }.map { "ip addr add $it dev $name" }

    private fun routes(
        name: String,
        config: VpnConfig,
    ) = config.routes.map { it.destination.toString() }.filter(::spoken).map {
        "ip ${family(it)} route replace $it dev $name table $TABLE"
    }

    private fun rules(config: VpnConfig): List<String> {
        val inside = config.allowedApplications
        val covered = apps.filterKeys { name -> inside?.contains(name) ?: (name !in config.disallowedApplications.orEmpty()) }
        return FAMILIES.flatMap { family ->
            listOf("while ip $family rule del pref $RULES 2>/dev/null; do :; done") +
                covered.values.map { "ip $family rule add uidrange $it-$it lookup $TABLE pref $RULES" }
        }
    }

    private fun run(lines: List<String>) {
        val shell = ProcessBuilder("sh", "-ec", lines.joinToString("\n")).redirectErrorStream(true).start()
        val said = shell.inputStream.readBytes().decodeToString()
        check(shell.waitFor() == 0) { "$lines: $said" }
    }

    private fun family(address: String) = if (':' in address) "-6" else "-4"

    private fun spoken(address: String) = family(address) in FAMILIES

    /** A descriptor that this process was started with. */
    private class Given(
        private val number: Int,
    ) : ParcelFileDescriptor(ParcelFileDescriptor.open(File("/dev/null"), ParcelFileDescriptor.MODE_READ_ONLY)) {
        override fun detachFd() = number
    }

    private companion object {
        const val TABLE = 27_003
        const val RULES = 100
        val FAMILIES = if (File("/proc/net/if_inet6").exists()) listOf("-4", "-6") else listOf("-4")

        /** `name=number`, for as many tests as there are. */
        val LEFT =
            System.getProperty("muzzle.tuns")!!.split(',').mapTo(ArrayDeque()) { each ->
                each.split('=').let { (name, number) -> name to number.toInt() }
            }
    }
}
