# python-can, on a bus of two: messages, filters, the broadcast manager's cyclic sending, CAN FD.
import can

def bus(**more):
    return can.Bus(interface="socketcan", channel="vcan0", **more)

def told(message):
    kind = "fd" if message.is_fd else "remote" if message.is_remote_frame else "data"
    return f"{message.arbitration_id:x} {kind} {bytes(message.data).hex()} from {message.channel}"

with bus() as a, bus() as b, bus(fd=True) as wide, bus(receive_own_messages=True) as own:
    a.send(can.Message(arbitration_id=0x123, data=[1, 2, 3], is_extended_id=False))
    print(told(b.recv(10)))
    a.send(can.Message(arbitration_id=0x12345678, is_remote_frame=True))
    print(told(b.recv(10)), b.recv(0))
    b.set_filters([{"can_id": 0x200, "can_mask": 0x700}])
    for identifier in (0x100, 0x234):
        a.send(can.Message(arbitration_id=identifier, is_extended_id=False))
    print(told(b.recv(10)))
    b.set_filters(None)
    while own.recv(0):
        pass
    own.send(can.Message(arbitration_id=7, is_extended_id=False))
    message = own.recv(10)
    print(told(message), "rx" if message.is_rx else "tx")
    while wide.recv(0):
        pass
    wide.send(can.Message(arbitration_id=0x42, data=bytes(range(64)), is_fd=True, bitrate_switch=True, is_extended_id=False))
    print(wide.recv(0))
    a.send(can.Message(arbitration_id=8, data=[8], is_extended_id=False))
    print(told(wide.recv(10)))
    while b.recv(0):
        pass
    message = can.Message(arbitration_id=0x321, data=[9], is_extended_id=False)
    task = a.send_periodic(message, 0.01)
    print(*(told(b.recv(10)) for _ in range(3)), sep="\n")
    message.data = bytearray([10])
    task.modify_data(message)
    while b.recv(10).data[0] != 10:
        pass
    task.stop()
    while b.recv(0.5):
        pass
    print("it has stopped")
